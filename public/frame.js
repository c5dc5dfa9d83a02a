// Our page as the dialog of a public SDK: it tells the page around it that it is there, which connection
// was made, and that it is done. The words of it are penpal 6's, plain window messages. Where nobody around
// answers, the page stays what it is: a part of somebody's page.
(function () {
  "use strict";

  var doc = document;
  var around = window.parent;
  var origin = "";
  var methods = [];
  var awaited = {};
  var serial = 0;
  if (around === window) return;

  function one(selector) {
    return doc.querySelector(selector);
  }

  // A method of the page around; comes back when it has answered, whatever it said.
  function call(name, value) {
    return new Promise(function (done) {
      serial += 1;
      awaited[serial] = done;
      around.postMessage({ penpal: "call", id: serial, methodName: name, args: value === undefined ? [] : [value] }, origin);
    });
  }

  function close() {
    // Nothing is to come of what is still waited for.
    doc.dispatchEvent(new Event("giveup"));
    call("close");
  }

  // The dialog's own button; a page that can only be opened anew is closed by its own, too.
  function dress() {
    if (!origin) return;
    doc.getElementById("main").prepend(doc.importNode(doc.getElementById("close").content, true));
    var again = one("button[data-reopen]");
    if (!again) return;
    again.textContent = again.dataset.close;
    again.removeAttribute("data-reopen");
    again.setAttribute("data-close-dialog", "");
  }

  doc.addEventListener("renewed", dress);

  function open() {
    doc.documentElement.classList.add("modal");
    var main = doc.getElementById("main");
    dress();
    if (!doc.activeElement || doc.activeElement === doc.body) main.focus({ preventScroll: true });
    call("handshake");
    var made = one("[data-connection]");
    if (made && methods.indexOf("onSuccess") >= 0) call("onSuccess", JSON.parse(made.dataset.connection)).then(close);
  }

  window.addEventListener("message", function (event) {
    var data = event.data;
    if (event.source !== around || !data || !data.penpal) return;
    if (data.penpal === "synAck" && !origin) {
      origin = event.origin;
      methods = data.methodNames || [];
      around.postMessage({ penpal: "ack", methodNames: [] }, origin);
      open();
    } else if (data.penpal === "reply" && event.origin === origin && awaited[data.id]) {
      awaited[data.id]();
      delete awaited[data.id];
    }
  });

  doc.addEventListener("click", function (event) {
    var target = event.target.closest("[data-close-dialog], [data-cancel]");
    if (!target || !origin) return;
    // Where somebody only browses, giving up on one app is no reason to close everything.
    if (target.matches("[data-close-dialog]") || doc.body.dataset.connected) close();
  });

  doc.addEventListener("keydown", function (event) {
    if (event.key !== "Escape" || event.defaultPrevented || !origin) return;
    if (!event.target.closest("input, textarea, select") && !one(".waiting")) close();
  });

  // Says nothing, so it may go to anybody; the answer says who it is.
  around.postMessage({ penpal: "syn" }, doc.body.dataset.parent || "*");
})();
