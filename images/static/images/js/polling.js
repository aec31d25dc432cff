/** Ask again and again, but only while somebody looks and while the answer says that something is unfinished. */

const SECONDS = 1.5;
const SLOWEST_SECONDS = 30;

/**
 * Fetch `url` (JSON) until `onAnswer(answer)` returns false. Waits 1.5 s between answers, longer after failures, and
 * not at all while the tab is hidden: it asks at once when the tab is shown again.
 */
export function pollWhile(url, onAnswer) {
  let timer = 0;
  let failures = 0;
  let isDone = false;

  async function ask() {
    timer = 0;
    if (document.hidden) return;
    try {
      const response = await fetch(url, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      failures = 0;
      isDone = (await onAnswer(await response.json())) === false;
    } catch {
      failures += 1;
    }
    if (!isDone) schedule(Math.min(SECONDS * 2 ** failures, SLOWEST_SECONDS));
  }

  function schedule(seconds) {
    clearTimeout(timer);
    timer = setTimeout(ask, seconds * 1000);
  }

  document.addEventListener("visibilitychange", () => {
    if (!isDone && !document.hidden) schedule(0);
  });
  schedule(SECONDS);
}
