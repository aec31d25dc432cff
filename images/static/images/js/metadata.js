/** The metadata of an image as rows of a label and a value, written into the field of the form, which is sent as JSON. */

const field = document.getElementById("id_metadata");
const texts = document.getElementById("metadata-texts")?.dataset;

/** The rows that the field holds; null where it is no list of them, so that nothing is lost that somebody wrote. */
function readRows() {
  let rows;
  try {
    rows = JSON.parse(field.value || "[]");
  } catch {
    return null;
  }
  const isText = (part) => typeof part === "string";
  const isRow = (row) => row !== null && isText(row.label) && isText(row.value) && Object.keys(row).length === 2;
  return Array.isArray(rows) && rows.every(isRow) ? rows : null;
}

function button(text, action) {
  const made = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: text });
  made.addEventListener("click", action);
  return made;
}

class MetadataEditor {
  constructor() {
    this.element = Object.assign(document.createElement("div"), { className: "metadata-editor" });
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", texts.metadata);
    this.rows = document.createElement("div");
    this.add = button(texts.add, () => this.addRow("", "").focus());
    this.toggle = button(texts.json, () => this.switchOver());
    this.say = Object.assign(document.createElement("p"), { className: "help" });
    this.say.setAttribute("role", "status");
    this.rows.addEventListener("input", () => this.write());
    this.rows.addEventListener("keydown", (event) => this.goOn(event));
    this.element.append(this.rows, this.add, " ", this.toggle, this.say);
    field.before(this.element);
    this.show(readRows());
  }

  /** Null: the field itself. */
  show(rows) {
    const isJson = rows === null;
    this.rows.replaceChildren();
    for (const { label, value } of rows ?? []) this.addRow(label, value);
    for (const part of [this.rows, this.add]) part.hidden = isJson;
    for (const part of [field, document.getElementById("id_metadata_helptext")]) if (part) part.hidden = !isJson;
    this.toggle.textContent = isJson ? texts.rows : texts.json;
    this.say.textContent = "";
  }

  switchOver() {
    if (field.hidden) {
      if (field.value) field.value = JSON.stringify(readRows(), null, 1);
      this.show(null);
      field.focus();
      return;
    }
    const rows = readRows();
    if (rows === null) this.say.textContent = texts.wrong;
    else this.show(rows);
  }

  /** The Enter key goes on to the next field, and at the end to a new row; it would send the form. */
  goOn(event) {
    if (event.key !== "Enter" || event.isComposing || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    const parts = [...this.rows.querySelectorAll("[data-part]")];
    (parts[parts.indexOf(event.target) + 1] ?? this.addRow("", "")).focus();
  }

  /** Its first input. */
  addRow(label, value) {
    const row = Object.assign(document.createElement("div"), { className: "metadata-row" });
    const input = (name, text, shown) => {
      const made = document.createElement(/[\r\n]/.test(text) ? "textarea" : "input"); // an input has but one line
      Object.assign(made, { className: "metadata-part", value: text, placeholder: shown });
      made.setAttribute("aria-label", shown);
      made.dataset.part = name;
      return made;
    };
    const remove = button("✕", () => {
      row.remove();
      this.write();
      this.add.focus();
    });
    remove.setAttribute("aria-label", texts.remove);
    const first = input("label", label, texts.label);
    row.append(first, input("value", value, texts.value), remove);
    this.rows.append(row);
    return first;
  }

  /** Rows in which nothing is written are left out. */
  write() {
    const rows = [...this.rows.children].map((row) =>
      Object.fromEntries([...row.querySelectorAll("[data-part]")].map((each) => [each.dataset.part, each.value])),
    );
    field.value = JSON.stringify(rows.filter(({ label, value }) => label.trim() || value.trim()));
  }
}

if (field?.tagName === "TEXTAREA" && texts) new MetadataEditor();
