/** Shows what a compliance profile comes to while its form is filled in. */

const QUIET_MILLISECONDS = 400;

const panel = document.getElementById("profile-preview");
const form = panel?.closest("form") ?? document.querySelector("#profile_form");
let timer = 0;
let asked = 0;

function show(answer) {
  const list = panel.querySelector("[data-warnings]");
  const lines = [...answer.errors, ...answer.warnings];
  list.replaceChildren(
    ...lines.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }),
  );
  panel.dataset.state = answer.errors.length ? "wrong" : "right";
  if (answer.errors.length) return;
  for (const version of ["2", "3"]) {
    panel.querySelector(`[data-level="${version}"]`).textContent = answer.levels[version];
    panel.querySelector(`[data-document="${version}"]`).textContent = JSON.stringify(answer.documents[version], null, 2);
  }
}

async function ask() {
  asked += 1;
  const mine = asked;
  const response = await fetch(panel.dataset.url, { method: "POST", body: new FormData(form) });
  if (response.ok && mine === asked) show(await response.json());
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(ask, QUIET_MILLISECONDS);
}

if (panel && form) {
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  ask();
}
