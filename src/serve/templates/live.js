// Puts what the server says into the page. Without it the page loads itself anew from time to time.
"use strict";
const connection = document.getElementById("connection");
const source = new EventSource(document.body.dataset.events);
const say = (text) => {
  connection.textContent = text;
  connection.hidden = !text;
};
source.addEventListener("open", () => say(""));
source.addEventListener("error", () => say("phytotron serve does not answer. It may have been ended; this page tries again."));
source.addEventListener("parts", (event) => {
  for (const [id, html] of Object.entries(JSON.parse(event.data))) {
    // The server has escaped what is not its own.
    document.getElementById(id).innerHTML = html;
  }
});
source.addEventListener("more", (event) => {
  const log = document.querySelector(".log");
  const isAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 40;
  log.append(JSON.parse(event.data));
  if (isAtEnd) scrollTo(0, document.documentElement.scrollHeight);
});
source.addEventListener("end", () => {
  source.close();
  say("");
});
