// While features are computed: show how far they are, then search.

const section = document.getElementById("building");
const bar = section.querySelector("progress");
const text = section.querySelector("[role=status]");

async function look() {
  let said;
  try {
    said = await (await fetch(section.dataset.progress, {headers: {accept: "application/json"}})).json();
  } catch {
    text.textContent = "The application does not answer; is it still running?";
    return;
  }
  if (said.ready || said.error) {
    location.reload();
    return;
  }
  bar.max = said.total || 1;
  bar.value = said.done;
  text.textContent = `${said.done} of ${said.total} clips`;
  setTimeout(look, 1000);
}

setTimeout(look, 1000);
