/** Copy buttons: <button data-copy="id of an input or link">. */

/** Copies text; where a page may not use the clipboard (no HTTPS), through a selected field. Resolves to success. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "visually-hidden";
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    return isCopied;
  }
}

/** `say(text)` tells the outcome to those who look and to those who listen. */
export function wireCopyButtons(root, messages, say) {
  root.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const isCopied = await copyText(source.value ?? source.href);
    say(isCopied ? messages.copied : messages.notCopied);
    if (isCopied) {
      button.classList.add("is-done");
      setTimeout(() => button.classList.remove("is-done"), 1600);
    }
    button.focus();
  });
}
