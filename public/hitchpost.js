// What the pages gain from a script. Without it everything still works: plain links and forms.
// No sentence stands here; words come from the page (templates and data-* attributes).
(function () {
  "use strict";

  var doc = document;
  var body = doc.body;
  var embedded = window.parent !== window;
  var pending = null;

  function one(selector, root) {
    return (root || doc).querySelector(selector);
  }

  function all(selector, root) {
    return Array.prototype.slice.call((root || doc).querySelectorAll(selector));
  }

  function fromTemplate(id) {
    return doc.importNode(doc.getElementById(id).content, true);
  }

  function load(url, signal) {
    return fetch(url, { credentials: "same-origin", headers: { Accept: "text/html" }, signal: signal }).then(function (answer) {
      if (!answer.ok) throw new Error("status");
      return answer.text().then(function (text) {
        return new DOMParser().parseFromString(text, "text/html");
      });
    });
  }

  // Takes one element of a freshly loaded page over into this one.
  function swap(id, page) {
    var here = doc.getElementById(id);
    var there = page.getElementById(id);
    if (here && there) here.replaceWith(doc.importNode(there, true));
  }

  // Live search: one request per pause of 150 ms, the newest wins.
  var timer = 0;
  var search = null;

  function find(form) {
    var url = new URL(form.action);
    new FormData(form).forEach(function (value, name) {
      if (value) url.searchParams.set(name, value);
    });
    if (search) search.abort();
    search = new AbortController();
    load(url, search.signal).then(function (page) {
      swap("results", page);
      swap("chips", page);
      ["count", "apps-title"].forEach(function (id) {
        var there = page.getElementById(id);
        if (there) doc.getElementById(id).textContent = there.textContent;
      });
      history.replaceState(null, "", url);
    }, function (error) {
      // A lost session or a lost server: let the browser show what the server says.
      if (error.name !== "AbortError" && error.message === "status") location.assign(url);
    });
  }

  doc.addEventListener("input", function (event) {
    var form = event.target.closest("form.search");
    if (!form) return;
    clearTimeout(timer);
    timer = setTimeout(find, 150, form);
  });

  doc.addEventListener("keydown", function (event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    var typing = event.target.closest("input, textarea, select");
    var field = doc.getElementById("q");
    if (event.key === "/" && field && !typing) {
      event.preventDefault();
      field.select();
    }
    if (event.key === "Escape" && !typing && !pending) {
      var open = one("details[open]");
      var back = one("a[data-back]");
      if (open || back) event.preventDefault();
      if (open) open.open = false;
      else if (back) back.click();
    }
  });

  // "Show more" adds to the grid; as a link it would leave it.
  function more(link) {
    load(link.href).then(function (page) {
      var cards = all("#results .grid > li", page).map(function (card) {
        return doc.importNode(card, true);
      });
      var next = one("#results .more", page);
      cards.forEach(function (card) {
        one("#results .grid").append(card);
      });
      link.closest(".more").replaceWith(next ? doc.importNode(next, true) : "");
      var action = cards[0] && one("a", cards[0]);
      if (action) action.focus({ preventScroll: true });
    }).catch(function () {
      location.assign(link.href);
    });
  }

  // A connect form whose next step is a provider's page gets a popup. The outcome comes from our
  // server; the popup's message is only faster, and its being closed means nothing: a provider's
  // Cross-Origin-Opener-Policy makes it look closed while the customer is still there.
  function requestId() {
    var bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.prototype.map.call(bytes, function (byte) {
      return (byte + 256).toString(16).slice(1);
    }).join("");
  }

  function say(form, id) {
    var place = one(".wait", form);
    if (id) place.replaceChildren(fromTemplate(id));
    else place.replaceChildren();
    return place;
  }

  function settle() {
    var was = pending;
    pending = null;
    if (!was) return null;
    was.events.close();
    clearTimeout(was.timer);
    say(was.form);
    var button = one("button:not(.plain)", was.form);
    button.disabled = false;
    return was;
  }

  function outcome(data) {
    if (!pending || !data || data.source !== "integration.app" || data.requestId !== pending.requestId) return;
    if (data.type === "newConnectionCreated") {
      var form = settle().form;
      // An embed that is there to connect ends with what it made.
      var url = new URL(body.dataset.connected || body.dataset.home, location.href);
      if (body.dataset.connected) {
        url.searchParams.set("connection", data.connection.id);
      } else {
        url.searchParams.set("notice", form.dataset.notice);
        url.searchParams.set("app", form.dataset.app);
      }
      location.assign(url);
    } else if (data.type === "newConnectionFailure") {
      var failed = settle();
      // A start that was refused has no more to read in its window than what is said here.
      if (failed.popup && data.errorData.data.reason) failed.popup.close();
      one(".problem", failed.form).textContent = String(data.error || "");
      one("button:not(.plain)", failed.form).focus();
      // It may be that nothing works on this page any more.
      keepSession();
    }
  }

  // Gives up. The server hears of it, so that nothing comes of a window that got lost.
  function giveUp() {
    var was = settle();
    if (!was) return;
    var fields = { session: was.form.elements.session.value, request_id: was.requestId };
    navigator.sendBeacon("/_actions/cancel", new URLSearchParams(fields));
    if (was.popup) was.popup.close();
    one("button:not(.plain)", was.form).focus();
  }

  doc.addEventListener("giveup", giveUp);

  function listen(waiting) {
    if (waiting !== pending) return;
    var events = new EventSource("/sse/connection-events/" + encodeURIComponent(waiting.requestId));
    events.onmessage = function (event) {
      outcome(JSON.parse(event.data));
    };
    events.onerror = function () {
      // Refused; a stream that broke off is asked for again by the browser itself.
      if (events.readyState === 2) setTimeout(listen, 2000, waiting);
    };
    waiting.events = events;
  }

  function follow(form, popup) {
    // An attempt lives ten minutes; nothing can come after that.
    pending = { form: form, popup: popup, requestId: form.elements.request_id.value, timer: setTimeout(settle, 660000) };
    listen(pending);
  }

  function leave(event, form) {
    settle();
    // The page's own requestId is good for one attempt; each later one needs its own.
    if (form.dataset.used) form.elements.request_id.value = requestId();
    one(".problem", form).textContent = "";
    var tab = event.submitter && event.submitter.hasAttribute("data-tab");
    var name = "hitchpost-connect-" + form.elements.request_id.value;
    var x = Math.max(0, Math.round(screenX + (outerWidth - 520) / 2));
    var y = Math.max(0, Math.round(screenY + (outerHeight - 720) / 2));
    var popup = tab ? null : window.open("about:blank", name, "popup,width=520,height=720,left=" + x + ",top=" + y);
    form.elements.popup.value = popup ? "1" : "";
    if (!popup && body.dataset.surface !== "embed") {
      form.removeAttribute("target");
      return;
    }
    if (!popup && !tab) {
      event.preventDefault();
      say(form, "blocked");
      return;
    }
    form.dataset.used = "1";
    form.target = popup ? name : "_blank";
    form.setAttribute("rel", popup ? "opener" : "noopener");
    follow(form, popup);
    one("[data-text]", say(form, "waiting")).textContent = form.dataset.waiting;
    // After the form has been read: a disabled button would not submit it.
    setTimeout(function () {
      if (pending && pending.form === form) one("button:not(.plain)", form).disabled = true;
    });
  }

  doc.addEventListener("submit", function (event) {
    if (event.target.matches("form[data-popup]")) leave(event, event.target);
  });

  window.addEventListener("message", function (event) {
    if (pending && event.origin === location.origin && event.source === pending.popup) outcome(event.data);
  });

  doc.addEventListener("click", function (event) {
    var target = event.target.closest("[data-cancel], [data-reopen], .reveal, a[data-more]");
    if (!target || event.defaultPrevented) return;
    if (target.matches("[data-reopen]")) {
      reopen();
    } else if (target.matches("[data-cancel]")) {
      giveUp();
    } else if (target.matches(".reveal")) {
      reveal(target);
    } else if (!event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      more(target);
    }
  });

  // Secrets are masked; a button shows them while typing.
  function reveal(button) {
    var field = one("input, textarea", button.parentNode);
    var show = field.type === "password" || field.className === "masked";
    var word = button.textContent;
    if (field.tagName === "TEXTAREA") field.className = show ? "" : "masked";
    else field.type = show ? "text" : "password";
    button.textContent = button.dataset.hide;
    button.dataset.hide = word;
  }

  function enhance(root) {
    var ended = one("[data-ended] .foot", root);
    // Where the browser only says which page was here before, that may be one of ours.
    var known = location.ancestorOrigins || around() !== location.origin;
    if (ended && embedded && around() && known) ended.before(fromTemplate("reopen"));
    all("[data-secret]", root).forEach(function (box) {
      var button = fromTemplate("reveal").firstElementChild;
      var input = box.firstElementChild;
      var label = one('label[for="' + input.id + '"]', root);
      box.append(button);
      if (label) button.setAttribute("aria-describedby", label.id = input.id + "-label");
    });
  }

  // A page that comes back into view shows what is true now, unless somebody is busy on it.
  function busy() {
    if (pending || one("details[open]")) return true;
    if (doc.activeElement && doc.activeElement.matches("input, textarea, select")) return true;
    return all("#main input, #main textarea, #main select").some(function (field) {
      if (field.type === "hidden") return false;
      if (field.type === "checkbox") return field.checked !== field.defaultChecked;
      if (field.tagName === "SELECT") return field.value !== (one("option[selected]", field) || field.options[0]).value;
      return field.type !== "search" && field.value !== field.defaultValue;
    });
  }

  function renew(page) {
    swap("main", page);
    enhance(doc.getElementById("main"));
    doc.dispatchEvent(new Event("renewed"));
  }

  // Asking after an embed's session now and then keeps it from ending while the page is open. When it has
  // ended all the same, the answer is the page that says so.
  function keepSession() {
    var session = new URL(location.href).searchParams.get("session");
    if (!embedded || !session || pending || one("[data-ended]")) return;
    fetch("/embed/session?session=" + encodeURIComponent(session), { headers: { Accept: "text/html" } }).then(function (answer) {
      if (answer.status !== 401) return;
      return answer.text().then(function (text) {
        if (!pending) renew(new DOMParser().parseFromString(text, "text/html"));
      });
    }).catch(function () {
      // The next time will do.
    });
  }

  setInterval(keepSession, 600000);

  // Only the page around can open this one anew. One that does not listen is gone back to.
  function reopen() {
    window.parent.postMessage({ source: "hitchpost", type: "reopen" }, around());
    setTimeout(window.open, 1000, around(), "_top");
  }

  doc.addEventListener("visibilitychange", function () {
    if (doc.visibilityState === "visible") keepSession();
    if (doc.visibilityState !== "visible" || !one("[data-live]") || busy()) return;
    load(location.href).then(function (page) {
      if (!busy() && one("[data-live]", page)) renew(page);
    }).catch(function () {
      // The next time it becomes visible will do.
    });
  });

  window.addEventListener("pageshow", function (event) {
    if (event.persisted) settle();
  });

  // The result page of a popup tells its opener, and nobody but the origin it was made for.
  function finish(result) {
    var target = window.opener || (embedded ? window.parent : null);
    var told = target && target !== window && result.dataset.outcome && result.dataset.targetOrigin;
    if (told) target.postMessage(JSON.parse(result.dataset.outcome), result.dataset.targetOrigin);
    // A failure that nobody could be told stays to be read.
    if (result.dataset.close === "always" || (told && result.dataset.close)) setTimeout(window.close.bind(window), 150);
  }

  // Origin of the page around, as far as the browser tells; nothing when it does not.
  function around() {
    var origin = location.ancestorOrigins && location.ancestorOrigins[0];
    if (!origin) origin = body.dataset.parent || (doc.referrer && new URL(doc.referrer).origin);
    return origin === "null" ? "" : origin;
  }

  // An iframe cannot know its parent's layout, so it tells its own height.
  function tellHeight() {
    var origin = around();
    if (!origin) return;
    var last = 0;
    new ResizeObserver(function () {
      var height = Math.ceil(body.getBoundingClientRect().height);
      if (height === last) return;
      last = height;
      window.parent.postMessage({ source: "hitchpost", type: "height", height: height }, origin);
    }).observe(body);
  }

  enhance(doc);
  var result = one("[data-target-origin], [data-close]");
  if (result) finish(result);
  if (embedded) tellHeight();
  // A notice is for once: a reload or a copied address does not say it again.
  var here = new URL(location.href);
  if (here.searchParams.has("notice")) {
    here.searchParams.delete("notice");
    here.searchParams.delete("app");
    history.replaceState(null, "", here);
  }
})();
