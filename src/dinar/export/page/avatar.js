// <dinar-avatar>: shows a person in a GLB, turned and zoomed by mouse or fingers, with its clips and expressions.
//
//   src     address of the GLB, or "#id" of an element that holds it as base64
//   name    of the file that the download button gives
//   clip    plays at once
//   bare    no controls
//
// Of the element: `play(clip)` (null: stand), `express(name)` (a preset, null: none), `strengths({jawOpen: 1})`,
// `lamp` (bool), `turn(degrees)`; it fires `load` with the names of what there is, and `error`.
(() => {
  const THREE = dinarThree;
  const PRESETS = /*EXPRESSIONS*/ {};
  const FADE = 0.3;                                         // seconds from one clip to the next
  const EASE = 10;                                          // how quickly a face follows, one over seconds
  const GROUNDS = { light: ["#f4f5f7", "#c9ced6"], dark: ["#3b4048", "#16181c"], warm: ["#fff3e2", "#e3b98f"] };

  const STYLE = `
    :host { display: block; position: relative; min-height: 240px; overflow: hidden; font: 14px system-ui, sans-serif }
    canvas { display: block; width: 100%; height: 100%; touch-action: none; outline: none }
    .bar { position: absolute; left: 0; right: 0; bottom: 0; display: flex; flex-wrap: wrap; gap: 6px;
           justify-content: center; padding: 8px 8px max(8px, env(safe-area-inset-bottom)) }
    select, button, a { font: inherit; min-height: 40px; padding: 0 12px; border: 1px solid #0003; border-radius: 10px;
           background: #fffd; color: #222; cursor: pointer; max-width: 44vw; box-sizing: border-box }
    a { display: inline-flex; align-items: center; text-decoration: none }
    button[aria-pressed=true] { background: #ffd65a }
    :focus-visible { outline: 2px solid #2a6df4; outline-offset: 1px }
    .word { position: absolute; inset: 0; display: grid; place-items: center; padding: 20px; text-align: center }
  `;

  function bytesOf(text) {
    const letters = atob(text.trim());
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
    return bytes;
  }

  function made(kind, fields = {}, ...children) {
    const element = Object.assign(document.createElement(kind), fields);
    element.append(...children);
    return element;
  }

  class DinarAvatar extends HTMLElement {
    connectedCallback() {
      if (this.shadowRoot) return this._watch();
      this.canvas = made("canvas", { tabIndex: 0 });
      this.canvas.setAttribute("aria-label", "The person; drag to turn, scroll or pinch to zoom");
      this.bar = made("div", { className: "bar" });
      this.word = made("div", { className: "word", textContent: "…" });
      this.attachShadow({ mode: "open" }).append(made("style", { textContent: STYLE }), this.canvas, this.word, this.bar);
      this._goal = {};
      this._lit = [];
      this._load().catch((error) => {
        this.word.textContent = `This person cannot be shown: ${error.message ?? error}`;
        this.dispatchEvent(new CustomEvent("error", { detail: String(error.message ?? error) }));
      });
    }

    disconnectedCallback() {
      this.renderer?.setAnimationLoop(null);
      this.watcher?.disconnect();
    }

    async _load() {
      const source = this.getAttribute("src") ?? "";
      if (source.startsWith("#")) {
        const element = document.getElementById(source.slice(1));
        if (!element) throw new Error(`nothing on this page is called ${source.slice(1)}`);
        this.bytes = bytesOf(element.textContent);
      } else {
        const answer = await fetch(source);
        if (!answer.ok) throw new Error(`${source}: ${answer.status}`);
        this.bytes = new Uint8Array(await answer.arrayBuffer());
      }
      const loader = new THREE.GLTFLoader();
      loader.setMeshoptDecoder(THREE.MeshoptDecoder);
      const gltf = await loader.parseAsync(this.bytes.buffer, "");
      this._stage(gltf);
      this._controls();
      this.word.remove();
      this._watch();
      const clip = this.getAttribute("clip");
      if (clip) this.play(clip);
      this.dispatchEvent(new CustomEvent("load", { detail: { clips: this.clips, expressions: this.expressions } }));
    }

    _stage(gltf) {
      this.renderer = new THREE.WebGLRenderer({ canvas: this.canvas, antialias: true });
      this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
      this.scene = new THREE.Scene();
      this.person = gltf.scene;
      this.scene.add(this.person);
      this.meshes = [];
      this.person.traverse((node) => {
        if (!node.isMesh) return;
        node.frustumCulled = false;                         // bones move it out of the box that it rests in
        this.meshes.push(node);
        const plain = node.material;
        const { map, side, name } = plain;
        this._plain = plain.isMeshBasicMaterial === true;
        this._lit.push([node, new THREE.MeshBasicMaterial({ map, side, name }),
                        new THREE.MeshStandardMaterial({ map, side, name, roughness: 0.9, metalness: 0 })]);
      });
      this.scene.add(new THREE.HemisphereLight(0xffffff, 0x8a8f99, 2.0));
      const sun = new THREE.DirectionalLight(0xffffff, 2.6);
      sun.position.set(1.5, 3, 2.5);
      this.scene.add(sun);
      const box = new THREE.Box3().setFromObject(this.person, true);
      this.height = box.max.y - box.min.y;
      this.width = box.max.x - box.min.x;
      this.scene.add(this._shadow(box));
      this.camera = new THREE.PerspectiveCamera(30, 1, 0.05, 50);
      this.orbit = new THREE.OrbitControls(this.camera, this.canvas);
      Object.assign(this.orbit, { enableDamping: true, dampingFactor: 0.12, enablePan: true, maxPolarAngle: 1.75 });
      this.orbit.target.set(0, (box.min.y + box.max.y) / 2, 0);
      this.mixer = new THREE.AnimationMixer(this.person);
      this.animations = Object.fromEntries(gltf.animations.map((clip) => [clip.name, clip]));
      this.clips = Object.keys(this.animations);
      const targets = new Set(this.meshes.flatMap((mesh) => Object.keys(mesh.morphTargetDictionary ?? {})));
      this.expressions = Object.keys(PRESETS).filter(
        (name) => Object.keys(PRESETS[name]).length && Object.keys(PRESETS[name]).every((one) => targets.has(one)));
      this.rest = [];
      this.person.traverse((node) => this.rest.push([node, node.position.clone(), node.quaternion.clone()]));
      this.lamp = !this._plain;
      this.ground = "light";
    }

    _shadow(box) {
      const canvas = made("canvas", { width: 128, height: 128 });
      const pen = canvas.getContext("2d");
      const shade = pen.createRadialGradient(64, 64, 4, 64, 64, 64);
      shade.addColorStop(0, "rgba(0,0,0,.45)");
      shade.addColorStop(1, "rgba(0,0,0,0)");
      pen.fillStyle = shade;
      pen.fillRect(0, 0, 128, 128);
      const map = new THREE.CanvasTexture(canvas);
      const plane = new THREE.Mesh(new THREE.PlaneGeometry(this.height * 0.55, this.height * 0.45),
                                   new THREE.MeshBasicMaterial({ map, transparent: true, depthWrite: false }));
      plane.rotation.x = -Math.PI / 2;
      plane.position.y = box.min.y + 0.001;
      return plane;
    }

    _controls() {
      if (this.hasAttribute("bare")) return;
      const choice = (label, names, none, chosen) => {
        const select = made("select", {}, made("option", { value: "", textContent: none }),
                            ...names.map((name) => made("option", { value: name, textContent: name })));
        select.setAttribute("aria-label", label);
        select.addEventListener("change", () => chosen(select.value || null));
        return select;
      };
      if (this.clips.length) this.bar.append(this.clipChoice = choice("Clip", this.clips, "standing", (name) => this.play(name)));
      if (this.expressions.length)
        this.bar.append(this.faceChoice = choice("Expression", this.expressions, "own face", (name) => this.express(name)));
      const lamp = made("button", { type: "button", textContent: "Light" });
      lamp.setAttribute("aria-pressed", String(this.lamp));
      lamp.addEventListener("click", () => {
        this.lamp = !this.lamp;
        lamp.setAttribute("aria-pressed", String(this.lamp));
      });
      const grounds = Object.keys(GROUNDS);
      const ground = made("button", { type: "button", textContent: "Background" });
      ground.addEventListener("click", () => {
        this.ground = grounds[(grounds.indexOf(this.ground) + 1) % grounds.length];
      });
      const face = made("button", { type: "button", textContent: "Face" });
      face.addEventListener("click", () => this.look(this._near ? "body" : "face"));
      const name = `${this.getAttribute("name") || "person"}.glb`;
      this.file = URL.createObjectURL(new Blob([this.bytes], { type: "model/gltf-binary" }));
      this.bar.append(face, lamp, ground, made("a", { href: this.file, download: name, textContent: "Download" }));
    }

    /** The whole "body" or the "face" in the middle, from in front. */
    look(what) {
      this._near = what === "face";
      const high = this.height;
      const tall = this._near ? 0.42 : high * 1.12;
      const wide = this._near ? 0.3 : this.width * 1.1;
      const half = Math.tan((this.camera.fov * Math.PI) / 360);
      const far = Math.max(tall / 2 / half, wide / 2 / (half * this.camera.aspect));
      const middle = this.orbit.target.set(0, high * (this._near ? 0.92 : 0.48), 0);
      const head = this._near && (this.person.getObjectByName("Head") ?? this.person.getObjectByName("mixamorigHead"));
      if (head) head.getWorldPosition(middle).add(new THREE.Vector3(0, 0.06, 0.03));
      this.camera.position.set(0, this._near ? 0 : 0.05 * far, far).add(middle);
      Object.assign(this.orbit, { minDistance: 0.25, maxDistance: high * 6 });
      this.orbit.update();
    }

    /** Turns the view around the person by so many degrees. */
    turn(degrees) {
      const away = this.camera.position.clone().sub(this.orbit.target);
      away.applyAxisAngle(new THREE.Vector3(0, 1, 0), (degrees * Math.PI) / 180);
      this.camera.position.copy(this.orbit.target).add(away);
      this.orbit.update();
    }

    play(name) {
      const clip = this.animations[name ?? ""];
      if (name && !clip) throw new Error(`no clip is called ${name}`);
      this.action?.fadeOut(FADE);
      if (clip) this.action = this.mixer.clipAction(clip).reset().fadeIn(FADE).play();
      else {
        this.mixer.stopAllAction();
        this.action = null;
        for (const [node, place, turn] of this.rest) { node.position.copy(place); node.quaternion.copy(turn); }
      }
      if (this.clipChoice) this.clipChoice.value = name ?? "";
    }

    express(name) {
      if (name && !this.expressions.includes(name)) throw new Error(`no expression is called ${name}`);
      this.strengths(name ? PRESETS[name] : {});
      if (this.faceChoice) this.faceChoice.value = name ?? "";
    }

    /** Strengths of morph targets that the face goes to; all others go to 0. */
    strengths(goal) { this._goal = { ...goal }; }

    get lamp() { return this._lamp; }
    set lamp(on) {
      this._lamp = on;
      for (const [mesh, own, shaded] of this._lit) mesh.material = on ? shaded : own;
    }

    get ground() { return this._ground; }
    set ground(name) {
      this._ground = name;
      const [middle, rim] = GROUNDS[name];
      const canvas = made("canvas", { width: 256, height: 256 });
      const pen = canvas.getContext("2d");
      const fill = pen.createRadialGradient(128, 110, 20, 128, 128, 190);
      fill.addColorStop(0, middle);
      fill.addColorStop(1, rim);
      pen.fillStyle = fill;
      pen.fillRect(0, 0, 256, 256);
      this.scene.background?.dispose();
      this.scene.background = new THREE.CanvasTexture(canvas);
      this.scene.background.colorSpace = "srgb";
    }

    _watch() {
      if (!this.renderer) return;
      const fit = () => {
        const { clientWidth: width, clientHeight: height } = this;
        if (!width || !height) return;
        this.renderer.setSize(width, height, false);
        this.camera.aspect = width / height;
        this.camera.updateProjectionMatrix();
        if (!this._seen) { this._seen = true; this.look("body"); }
      };
      this.watcher = new ResizeObserver(fit);
      this.watcher.observe(this);
      fit();
      let last = null;
      this.renderer.setAnimationLoop((now) => {
        const passed = last === null ? 0 : Math.min((now - last) / 1000, 0.1);
        last = now;
        this.mixer.update(passed);
        this._face(1 - Math.exp(-EASE * passed));
        this.orbit.update();
        this.renderer.render(this.scene, this.camera);
      });
    }

    _face(share) {
      for (const mesh of this.meshes) {
        const row = mesh.morphTargetInfluences;
        for (const [name, index] of Object.entries(mesh.morphTargetDictionary ?? {}))
          row[index] += share * ((this._goal[name] ?? 0) - row[index]);
      }
    }
  }

  if (!customElements.get("dinar-avatar")) customElements.define("dinar-avatar", DinarAvatar);
})();
