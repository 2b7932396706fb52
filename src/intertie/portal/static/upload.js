// A file goes in pieces, each asked for where it goes on, so that a lost connection costs one piece and not the file.
// Without this script the form sends the whole file at once.
"use strict";
(() => {
  const AGAIN_MS = 2000, TIMES = 30; // a minute of a broken line
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));

  async function post(path, form, more) {
    const data = new FormData();
    data.append("csrf", form.elements.csrf.value);
    for (const [name, value] of Object.entries(more)) data.append(name, value, ...(value instanceof Blob ? ["piece"] : []));
    const answer = await fetch(path, { method: "POST", body: data, headers: { "HX-Request": "true" } });
    if (answer.ok) return answer.json();
    const text = new DOMParser().parseFromString(await answer.text(), "text/html").body.textContent.trim();
    const error = new Error(text.replace(/\s+/g, " ") || `HTTP ${answer.status}`);
    error.final = answer.status >= 400 && answer.status < 500 && answer.status !== 429;
    throw error;
  }

  async function state(id) {
    const answer = await fetch(`/upload/files/${id}/state`, { headers: { "X-Refresh": "1" } });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return answer.json();
  }

  async function bring(form) {
    const file = form.elements.file.files[0], hint = form.querySelector(".hint"), bar = form.querySelector("progress");
    const piece = Number(form.dataset.piece), before = form.dataset.goesOn;
    if (file.size > Number(form.dataset.most)) throw new Error("The file is too large: bring it in parts.");
    if (before && file.size !== Number(form.dataset.size)) throw new Error("This is another file: it has another size.");
    let at = before ? await state(before) : await post("/upload/begin", form, { name: file.name, size: file.size });
    bar.hidden = false;
    for (let times = 0; at.there < at.size;) {
      try {
        at = await post(`/upload/files/${at.id}/piece`, form, { offset: at.there, piece: file.slice(at.there, at.there + piece) });
        times = 0;
      } catch (error) {
        if (error.final || ++times > TIMES) throw error;
        hint.textContent = "The line is broken: it goes on by itself when it is back.";
        await wait(AGAIN_MS);
        at = await state(at.id).catch(() => at);
      }
      bar.value = (100 * at.there) / at.size;
      hint.textContent = `${Math.floor(bar.value)} % of ${file.name}`;
    }
    location.assign(at.page);
  }

  for (const form of document.querySelectorAll("form[data-upload]")) {
    form.addEventListener("submit", async (event) => {
      if (!form.elements.file.files[0]?.size) return; // the gateway says what is wrong
      event.preventDefault();
      const button = form.querySelector("button");
      button.disabled = true;
      try {
        await bring(form);
      } catch (error) {
        form.querySelector(".hint").textContent = error.message;
        button.disabled = false;
      }
    });
  }
  for (const form of document.querySelectorAll("form.drop")) {
    form.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
    form.addEventListener("dragleave", () => form.classList.remove("over"));
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      form.classList.remove("over");
      if (event.dataTransfer.files.length) form.elements.file.files = event.dataTransfer.files;
    });
  }
})();
