/** Shows the picture as soon as it was read, or the reason why it could not be. */

import { pollWhile } from "./polling.js";

const notice = document.getElementById("waiting");

if (notice) {
  pollWhile(notice.dataset.stateUrl, (answer) => {
    if (answer.image && answer.image.state === notice.dataset.state) return true;
    location.reload();
    return false;
  });
}
