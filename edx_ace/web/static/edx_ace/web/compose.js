// The page on which a campaign is written: an editor for rich text, buttons for keywords, tabs for languages. Without this
// file the page is a form with text areas that does all the same.

"use strict";

(() => {
  const labels = JSON.parse(document.getElementById("editor-labels").textContent);
  Object.assign(Trix.config.lang, labels);
  // Text is in paragraphs, as it is in the message: those that were there stay, and the return key begins another.
  Trix.config.blockAttributes.default.tagName = "p";
  const returnKey = Trix.models.LineBreakInsertion.prototype;
  const { shouldInsertBlockBreak } = returnKey;
  returnKey.shouldInsertBlockBreak = function () {
    return !this.block.hasAttributes() || shouldInsertBlockBreak.call(this);
  };
  Trix.config.blockAttributes.heading1.tagName = "h2";

  // Files are attached below, and pictures come from addresses.
  document.addEventListener("trix-file-accept", (event) => event.preventDefault());

  // The editor's sanitiser has no place for what a picture shows in words, which is text and nothing else.
  const { prototype } = Trix.models.HTMLSanitizer;
  const { sanitizeElement } = prototype;
  prototype.sanitizeElement = function (element) {
    const alt = element.getAttribute("alt");
    sanitizeElement.call(this, element);
    if (alt !== null) {
      element.setAttribute("alt", alt);
    }
    return element;
  };

  // Pictures stand in the editor as they are, with what they show in words: its own kind would lose that.
  function attached(picture) {
    const { src, alt } = { src: picture.getAttribute("src") ?? "", alt: picture.alt };
    return { content: picture.outerHTML, contentType: "text/html", src, alt };
  }

  function withPictures(html) {
    const body = new DOMParser().parseFromString(html, "text/html").body;
    body.querySelectorAll("img").forEach((picture) => {
      const place = document.createElement("span");
      place.dataset.trixAttachment = JSON.stringify(attached(picture));
      picture.replaceWith(place);
    });
    return body.innerHTML;
  }

  function asMarkdown(editor) {
    const pictures = editor.getDocument().getAttachments().map((one) => one.getAttributes());
    return editor.getDocument().toString().replace(/\ufffc/g, () => {
      const { src, alt } = pictures.shift() ?? {};
      return src ? `![${alt}](${src})` : "";
    }).trim();
  }

  function isAllowed(address) {
    const url = URL.canParse(address) ? new URL(address) : null;
    return url?.protocol === "https:" && labels.pictureHosts.some(
      (host) => url.host === host.toLowerCase() || (host.startsWith("*.") && url.host.endsWith(host.slice(1).toLowerCase()))
    );
  }

  // A button that asks for the address of a picture, and inserts it.
  function offerPictures(toolbar, editor) {
    function make(name, fields) {
      return Object.assign(document.createElement(name), fields);
    }
    const button = make("button", { type: "button", title: labels.picture, textContent: labels.picture });
    button.className = "trix-button trix-button--icon ace-icon-picture";
    button.dataset.trixAction = "x-picture";
    toolbar.querySelector(".trix-button-group--file-tools").replaceChildren(button);

    const dialog = make("div", { className: "trix-dialog trix-dialog--link" });
    dialog.dataset.trixDialog = "x-picture";
    const line = make("div", { className: "trix-dialog__link-fields" });
    const address = make("input", { type: "url", placeholder: labels.urlPlaceholder, disabled: true });
    address.setAttribute("aria-label", labels.pictureAddress);
    const text = make("input", { type: "text", placeholder: labels.pictureText, disabled: true });
    text.setAttribute("aria-label", labels.pictureText);
    for (const field of [address, text]) {
      field.className = "trix-input trix-input--dialog";
      field.dataset.trixInput = "";
    }
    const insert = make("button", { type: "button", className: "trix-button trix-button--dialog" });
    insert.textContent = labels.pictureInsert;
    line.append(address, text, insert);
    dialog.append(line);
    toolbar.querySelector("[data-trix-dialogs]").append(dialog);

    address.addEventListener("input", () => address.setCustomValidity(""));
    insert.addEventListener("click", () => {
      address.setCustomValidity(isAllowed(address.value.trim()) ? "" : labels.pictureRefused);
      if (!address.reportValidity()) {
        return;
      }
      const picture = document.createElement("img");
      picture.setAttribute("src", address.value.trim());
      picture.alt = text.value.trim();
      address.value = text.value = "";
      // Closed first: then the place in the text counts again.
      button.click();
      editor.focus();
      editor.editor.insertAttachment(new Trix.Attachment(attached(picture)));
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        event.stopPropagation();
        insert.click();
      }
    });
    editor.addEventListener("trix-toolbar-dialog-show", (event) => event.dialogName === "x-picture" && address.focus());
  }

  function edit(area) {
    const radios = [...area.form.elements[area.dataset.editor]];
    const label = area.form.querySelector(`label[for="${area.id}"]`);
    let editor = null;

    function show() {
      const isRich = radios.some((radio) => radio.checked && radio.value === "html");
      if (isRich && !editor) {
        const toolbar = document.createElement("trix-toolbar");
        toolbar.id = `${area.id}-toolbar`;
        editor = document.createElement("trix-editor");
        editor.id = `${area.id}-editor`;
        editor.setAttribute("input", area.id);
        editor.setAttribute("toolbar", toolbar.id);
        editor.setAttribute("dir", area.dir);
        editor.setAttribute("aria-labelledby", label.id);
        if (area.getAttribute("aria-describedby")) {
          editor.setAttribute("aria-describedby", area.getAttribute("aria-describedby"));
        }
        area.value = withPictures(area.value);
        area.after(toolbar, editor);
        if (labels.pictureHosts.length) {
          offerPictures(toolbar, editor);
        }
        // Reached with the Tab key, as all other buttons are.
        toolbar.querySelectorAll("button").forEach((button) => button.removeAttribute("tabindex"));
      } else if (!isRich && editor) {
        // What was written stays, as text: Markdown shows HTML as it is written.
        area.value = asMarkdown(editor.editor);
        editor.previousElementSibling.remove();
        editor.remove();
        editor = null;
      }
      area.hidden = isRich;
    }

    radios.forEach((radio) => radio.addEventListener("change", show));
    label.addEventListener("click", () => editor && editor.focus());
    show();
  }

  function insert(id, text) {
    const editor = document.getElementById(`${id}-editor`);
    if (editor) {
      editor.focus();
      editor.editor.insertString(text);
      return;
    }
    const field = document.getElementById(id);
    field.focus();
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
  }

  function offer(group) {
    group.querySelectorAll("code[data-keyword]").forEach((code) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = code.className;
      button.title = code.textContent;
      button.textContent = code.title;
      button.addEventListener("click", () => insert(group.dataset.for, code.textContent.trim()));
      code.replaceWith(button);
    });
  }

  function tabs(room) {
    const panels = [...room.querySelectorAll(":scope > [data-tab]")];
    if (panels.length < 2) {
      return;
    }
    const list = document.createElement("div");
    list.className = "ace-tabs";
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", room.dataset.tabs);
    const buttons = panels.map((panel) => {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.id = `${panel.id}-tab`;
      tab.className = "wrong" in panel.dataset ? "ace-tab ace-wrong-tab" : "ace-tab";
      tab.lang = panel.id.slice(3);
      tab.textContent = panel.dataset.tab;
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panel.id);
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tab.id);
      list.append(tab);
      return tab;
    });

    function choose(chosen, isFocused) {
      buttons.forEach((tab, place) => {
        const isChosen = place === chosen;
        tab.setAttribute("aria-selected", String(isChosen));
        tab.tabIndex = isChosen ? 0 : -1;
        panels[place].hidden = !isChosen;
      });
      if (isFocused) {
        buttons[chosen].focus();
      }
    }

    list.addEventListener("click", (event) => buttons.includes(event.target) && choose(buttons.indexOf(event.target)));
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        const along = getComputedStyle(list).direction === "rtl" ? -step : step;
        const now = buttons.indexOf(document.activeElement);
        choose((now + along + buttons.length) % buttons.length, true);
        event.preventDefault();
      }
    });
    room.prepend(list);
    room.addEventListener("ace-reveal", (event) => choose(panels.findIndex((panel) => panel.contains(event.target))));
    const first = (name) => panels.findIndex((panel) => name in panel.dataset);
    choose(Math.max(first("wrong"), first("chosen"), 0));
  }

  // What is wrong leads to its field, which may be on another tab, or under the editor.
  function lead(event) {
    const field = document.getElementById(event.target.hash.slice(1));
    if (field) {
      event.preventDefault();
      field.dispatchEvent(new Event("ace-reveal", { bubbles: true }));
      (document.getElementById(`${field.id}-editor`) || field).focus();
    }
  }

  document.querySelectorAll('.ace-wrongs a[href^="#"]').forEach((link) => link.addEventListener("click", lead));
  // The editor defines its elements a moment after it is loaded: only then its buttons are there.
  customElements.whenDefined("trix-editor").then(() => document.querySelectorAll("textarea[data-editor]").forEach(edit));
  document.querySelectorAll("[data-for]").forEach(offer);
  document.querySelectorAll("[data-tabs]").forEach(tabs);

  // Whoever leaves with something unsaved is asked.
  const form = document.getElementById("compose");
  let isChanged = Boolean(form.querySelector(".ace-warned"));
  form.addEventListener("input", () => (isChanged = true));
  form.addEventListener("trix-change", (event) => (isChanged = isChanged || event.target === document.activeElement));
  form.addEventListener("htmx:afterSwap", () => (isChanged = true));
  form.addEventListener("submit", () => (isChanged = false));
  addEventListener("beforeunload", (event) => isChanged && event.preventDefault());
})();
