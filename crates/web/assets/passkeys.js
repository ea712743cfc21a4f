// Passkeys on the pages for signing in and for looking after one's passkeys: asks us for the options of a ceremony, hands them to the browser, and
// sends its answer with the form that stands on the page. Without this script those forms stay hidden, and passwords go on working.
"use strict";

(() => {
  const SPOKEN = {
    NotAllowedError: "No passkey was used: nothing was chosen, or it took too long.",
    InvalidStateError: "There is a passkey of yours on this device already.",
    NotSupportedError: "This device cannot make a passkey that works here.",
    SecurityError: "Your browser does not allow passkeys at this address.",
  };

  /** Something to be told as it is. */
  class Told extends Error {}

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

  const text = (buffer) => {
    const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  const withBytes = (known) => (known ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

  async function ask(form, path, fields) {
    const body = new URLSearchParams({ csrf: form.elements.namedItem("csrf").value, ...fields });
    const answer = await fetch(path, { method: "POST", body, redirect: "error" });
    const read = await answer.json();
    if (answer.ok) return read;
    if (answer.status === 401) throw new Told("You are not signed in any more: load the page again.");
    const said = String(read.message);
    throw new Told(`${said.charAt(0).toUpperCase()}${said.slice(1)}.`);
  }

  async function sign({ options, state }) {
    const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials: withBytes(options.allowCredentials) };
    const made = await navigator.credentials.get({ publicKey });
    const response = {
      authenticatorData: text(made.response.authenticatorData),
      clientDataJSON: text(made.response.clientDataJSON),
      signature: text(made.response.signature),
      userHandle: made.response.userHandle ? text(made.response.userHandle) : null,
    };
    return { state, credential: JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response }) };
  }

  async function make({ options, state }) {
    const publicKey = {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: withBytes(options.excludeCredentials),
    };
    const made = await navigator.credentials.create({ publicKey });
    const response = {
      attestationObject: text(made.response.attestationObject),
      clientDataJSON: text(made.response.clientDataJSON),
    };
    const clientExtensionResults = { credProps: made.getClientExtensionResults().credProps };
    const credential = { id: made.id, rawId: text(made.rawId), type: made.type, response, clientExtensionResults };
    return { state, credential: JSON.stringify(credential) };
  }

  const ceremonies = {
    "sign-in": async (form) => sign(await ask(form, "/sign-in/passkey/options", {})),

    // What the form is for goes along with it; the passkey only shows who sends it.
    prove: async (form) => {
      const { state, credential } = await sign(await ask(form, "/account/passkeys/proof", {}));
      return { proof_state: state, proof_credential: credential };
    },

    add: async (form, button) => {
      const password = form.elements.namedItem("password");
      const fields = { name: form.elements.namedItem("name").value, password: password?.value ?? "" };
      if (button?.value === "passkey") {
        const proof = await sign(await ask(form, "/account/passkeys/proof", {}));
        Object.assign(fields, { password: "", proof_state: proof.state, proof_credential: proof.credential });
      }
      const made = await make(await ask(form, "/account/passkeys/options", fields));
      // It was shown already.
      if (password) password.value = "";
      return made;
    },
  };

  async function run(form, button) {
    const fault = form.querySelector(".fault");
    const buttons = form.querySelectorAll("button");
    fault.hidden = true;
    for (const one of buttons) one.disabled = true;
    try {
      for (const [name, value] of Object.entries(await ceremonies[form.dataset.passkey](form, button))) {
        form.elements.namedItem(name).value = value;
      }
      form.submit();
    } catch (error) {
      fault.textContent = error instanceof Told ? error.message : (SPOKEN[error?.name] ?? "That did not work. Try again.");
      fault.hidden = false;
      for (const one of buttons) one.disabled = false;
    }
  }

  if (!window.PublicKeyCredential || !navigator.credentials) return;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    // A passkey is of one origin. By another name of the same machine it would be refused.
    if (form.dataset.origin !== location.origin) continue;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void run(form, event.submitter);
    });
    form.hidden = false;
  }
})();
