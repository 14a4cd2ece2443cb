// One review queue. Keys: those of the verdicts, S skip, U undo, digits for reasons, Enter records, Esc cancels.
// Everything from the home is set as text, never as markup.

import {post} from "/static/app.js";

const LOW = 6; // cards left when more are asked for
const desk = document.getElementById("desk");
const at = (id) => document.getElementById(id);
const {queue, scope, category} = desk.dataset;
const choices = JSON.parse(desk.dataset.choices);
const mayJudge = desk.dataset.reviewer !== "";
const form = at("answer");

const waiting = []; // cards to show; the first is on the page
const judged = []; // what was said in this session, for undo
const gone = new Set(); // ids that this page has judged or skipped
let answering = null; // the choice whose reason or correction is being given
let posts = Promise.resolve(); // one after another: an undo must not overtake what it takes back
let asking = null;
let session = 0;

async function ask() {
  const without = [...waiting.map((card) => card.id), ...gone].slice(-200);
  const query = new URLSearchParams({scope, category, without: without.join(",")});
  const answer = await fetch(`/review/${queue}/cards?${query}`, {headers: {accept: "application/json"}});
  if (!answer.ok) throw new Error((await answer.json()).error);
  const known = new Set([...waiting.map((card) => card.id), ...gone]);
  waiting.push(...(await answer.json()).filter((card) => !known.has(card.id)));
}

async function refill() {
  if (waiting.length > LOW || asking) return asking;
  asking = ask().catch((error) => complain(error.message)).finally(() => { asking = null; });
  return asking;
}

function show() {
  const card = waiting[0];
  stopAnswering();
  at("subject-heading").textContent = card ? card.heading : asking ? "One moment" : "Nothing is left here";
  at("subject-text").textContent = card?.text ?? "";
  at("subject-category").textContent = card?.category ?? "";
  at("subject-category").hidden = !card;
  at("subject-left").textContent = card ? `${card.count} left` : "";
  at("subject-facts").replaceChildren(...(card?.facts ?? []).flatMap(([name, value]) => [
    made("dt", name), made("dd", value)]));
  at("subject-clips").replaceChildren(...(card?.clips ?? []).map(player));
  at("subject-sides").replaceChildren(...(card?.sides ?? []).map(side));
  for (const button of desk.querySelectorAll(".verdict")) button.disabled = !card || !mayJudge;
  at("skip").disabled = !card;
  at("undo").disabled = judged.length === 0;
}

function made(kind, text) {
  const element = document.createElement(kind);
  element.textContent = text;
  return element;
}

function player(id) {
  const video = document.createElement("video");
  Object.assign(video, {muted: true, loop: true, playsInline: true, controls: true, preload: "auto"});
  video.setAttribute("aria-label", "The clip");
  video.poster = `/media/stills/${encodeURIComponent(id)}.webp`;
  video.src = `/media/clips/${encodeURIComponent(id)}.mp4`;
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) video.play().catch(() => {});
  return video;
}

function side({heading, says, text, clips}) {
  const section = document.createElement("section");
  const pictures = document.createElement("div");
  pictures.className = "clips";
  pictures.append(...clips.map(thumbnail));
  section.append(made("h3", heading), made("p", says), pictures, made("p", text));
  return section;
}

function thumbnail(id) {
  const image = document.createElement("img");
  image.alt = "Example clip";
  image.loading = "lazy";
  image.src = `/media/thumbs/${encodeURIComponent(id)}.webp`;
  return image;
}

function choose(choice) {
  if (!waiting[0] || !mayJudge) return;
  if (choice.reasons.length || choice.fields.length) startAnswering(choice);
  else record(choice.verdict, {});
}

function startAnswering(choice) {
  answering = choice;
  form.reset();
  at("answer-reasons").replaceChildren(...choice.reasons.map((reason, place) => {
    const button = made("button", `${reason} `);
    button.type = "button";
    button.append(made("kbd", String(place + 1)));
    button.addEventListener("click", () => record(choice.verdict, {reason}));
    return button;
  }));
  at("answer-fields").replaceChildren(...choice.fields.map(([name, title]) => {
    const label = made("label", `${title} `);
    label.append(name === "correct_is_anomaly" ? sides(name) : Object.assign(made("input", ""), {name, maxLength: 200}));
    return label;
  }));
  form.hidden = false;
  // With reasons at hand the digits stay free; without them typing is what comes next.
  if (choice.reasons.length === 0) form.querySelector("input").focus();
}

function sides(name) {
  const select = Object.assign(made("select", ""), {name});
  for (const [value, text] of [["", "as it is"], ["true", "anomalous"], ["false", "normal"]]) {
    select.append(Object.assign(made("option", text), {value}));
  }
  return select;
}

function stopAnswering() {
  answering = null;
  form.hidden = true;
}

function record(verdict, given) {
  const card = waiting.shift();
  const seen = Object.fromEntries(Object.entries(card.seen).map(([name, value]) => [`seen_${name}`, value]));
  const filled = Object.fromEntries(Object.entries(given).filter(([, value]) => value));
  gone.add(card.id);
  judged.push({card, verdict});
  for (const left of waiting) left.count = Math.max(1, left.count - 1);
  send({id: card.id, verdict, ...filled, ...seen}, `${verdict}: ${card.heading}`, () => {
    judged.splice(judged.findIndex((one) => one.card === card), 1);
    back(card);
  });
  next();
}

function undo() {
  const last = judged.pop();
  if (!last) return;
  back(last.card);
  send({id: last.card.id, verdict: "undo"}, `taken back: ${last.verdict}`, () => judged.push(last));
}

function back(card) {
  gone.delete(card.id);
  waiting.unshift(card);
  show();
}

function send(values, said, otherwise) {
  posts = posts.then(async () => {
    try {
      await post(`/review/${queue}`, values);
      session += values.verdict === "undo" ? -1 : 1;
      at("wrong").hidden = true;
      at("said").textContent = `${said} (${session} in this session)`;
    } catch (error) {
      otherwise();
      complain(error.message);
    }
  });
}

function complain(why) {
  at("wrong").textContent = why;
  at("wrong").hidden = false;
}

function next() {
  show();
  refill()?.then(() => { if (waiting.length && at("subject-category").hidden) show(); else if (!waiting.length) show(); });
}

function skip() {
  if (!waiting[0]) return;
  gone.add(waiting.shift().id);
  next();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && answering) { stopAnswering(); at("subject-heading").focus(); return; }
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Enter" && event.target.closest("#answer select")) { // a select keeps Enter to itself
    event.preventDefault();
    form.requestSubmit();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  const reason = answering?.reasons[Number(key) - 1];
  const choice = choices.find((one) => one.key === key);
  if (reason) record(answering.verdict, {reason});
  else if (choice) choose(choice);
  else if (key === "s") skip();
  else if (key === "u") undo();
  else return;
  event.preventDefault();
});

for (const button of desk.querySelectorAll(".verdict")) {
  button.addEventListener("click", () => choose(choices.find((one) => one.verdict === button.dataset.verdict)));
}
at("skip").addEventListener("click", skip);
at("undo").addEventListener("click", undo);
at("answer-cancel").addEventListener("click", stopAnswering);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!answering) return;
  const given = Object.fromEntries(new FormData(form));
  if (answering.reasons.length && !given.reason.trim()) { form.elements.reason.focus(); return; }
  at("subject-heading").focus(); // so that the next key is a verdict again
  record(answering.verdict, given);
});

next();
