// On every page: clips with class "hover" play while they are pointed at or their link has the focus.

export function playOnHover(root) {
  for (const video of root.querySelectorAll("video.hover")) {
    const place = video.closest("a") ?? video;
    const play = () => video.play().catch(() => {}); // the pointer may leave before the first byte is there
    const rest = () => { video.pause(); video.load(); }; // load() shows the poster again
    place.addEventListener("pointerenter", play);
    place.addEventListener("focus", play);
    place.addEventListener("pointerleave", rest);
    place.addEventListener("blur", rest);
  }
}

// Post a form's fields or any values to a route of the application; resolves to what it said, throws its error.
export async function post(path, values) {
  const answer = await fetch(path, {
    method: "POST",
    headers: {"content-type": "application/json", accept: "application/json"},
    body: JSON.stringify(values),
  });
  const said = await answer.json().catch(() => ({error: `the application answered ${answer.status}`}));
  if (!answer.ok) throw new Error(said.error);
  return said;
}

playOnHover(document);
