// The drop zone over the viewer: sends a file, shows how far it has come, and what went wrong.
"use strict";
(() => {
  const STAGES = {
    look: "Looking at the photo",
    fit: "Fitting the body",
    texture: "Taking the colours",
    inpaint: "Painting the unseen side",
    fill: "Filling what is left",
    refine: "Refining",
    load: "Opening",
  };
  const POLL = 300;   // milliseconds between two questions, only while something is being made

  const zone = document.createElement("div");
  zone.id = "dinar";
  zone.innerHTML = `
    <div class="card" role="status">
      <h1></h1>
      <p class="error" role="alert"></p>
      <ol></ol>
      <p class="tips">One person, the whole body in view, upright, arms a little off the body.
        The photo stays on this computer.</p>
      <label>Choose a photo<input type="file" accept=".jpg,.jpeg,.png,.webp,.heic,.heif,.avif,.zip"></label>
    </div>`;
  const [card, title, error, list, input] =
    [".card", "h1", ".error", "ol", "input"].map((part) => zone.querySelector(part));

  let ready = false;      // an avatar is shown behind
  let busy = false;       // something is being made
  let failure = "";       // of the last try
  let depth = 0;          // of drag events: leaving a child is not leaving the page

  function draw(job) {
    const over = depth > 0;
    zone.className = "";
    if (over && !busy) zone.className = "shown over";
    else if (busy) zone.className = ready ? "shown aside busy" : "shown busy";
    else if (failure) zone.className = ready ? "shown aside" : "shown";
    else if (!ready) zone.className = "shown";
    title.textContent = busy ? (job ? job.name : "Sending") : over && ready ? "Drop it" :
      ready && failure ? "That did not work" : "Drop a photo of a person here";
    error.textContent = busy || over ? "" : failure;
    list.replaceChildren(...(busy && job ? job.stages : []).map((stage, k) => {
      const item = document.createElement("li");
      const last = k === job.stages.length - 1;
      const part = last && job.part !== null ? ` ${Math.round(100 * job.part)} %` : "";
      item.textContent = (STAGES[stage] || stage) + part;
      item.className = last ? "now" : "";
      return item;
    }));
  }

  async function ask() {
    const reply = await fetch("/dinar/state", { cache: "no-store" });
    return reply.json();
  }

  async function follow() {
    busy = true;
    for (;;) {
      let state;
      try {
        state = await ask();
      } catch {
        busy = false;
        failure = "dinar does not answer any more; is it still running?";
        return draw();
      }
      ready = state.ready;
      if (!state.job || !state.job.running) {
        busy = false;
        failure = state.job ? state.job.error || "" : "";
        return draw();
      }
      draw(state.job);
      await new Promise((done) => setTimeout(done, POLL));
    }
  }

  async function send(files) {
    if (busy) return;
    failure = "";
    if (files.length !== 1) {
      failure = "Drop one file at a time.";
      return draw();
    }
    busy = true;
    draw();
    try {
      const reply = await fetch(`/dinar/drop?name=${encodeURIComponent(files[0].name)}`, {
        method: "POST", headers: { "X-Dinar": "drop" }, body: files[0],
      });
      if (!reply.ok) throw new Error((await reply.json()).error);
    } catch (reason) {
      busy = false;
      failure = reason instanceof TypeError ? "The file could not be sent." : reason.message;
      return draw();
    }
    await follow();
  }

  const carriesFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  addEventListener("dragenter", (event) => {
    if (carriesFiles(event)) { event.preventDefault(); depth += 1; draw(); }
  }, true);
  addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); }, true);
  addEventListener("dragleave", (event) => {
    if (carriesFiles(event)) { depth = Math.max(0, depth - 1); draw(); }
  }, true);
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    depth = 0;
    send(event.dataTransfer.files);
  }, true);
  input.addEventListener("change", () => { send([...input.files]); input.value = ""; });
  card.addEventListener("click", (event) => {
    if (ready && !busy && event.target !== input) { failure = ""; draw(); }
  });

  addEventListener("DOMContentLoaded", async () => {
    document.body.append(zone);
    await follow();
  });
})();
