"""An OAuth 1.0a server that nobody here wrote, for the interop tests: PyPI `oauthlib`.

PORT, REDIRECT_URI, CLIENT_ID, CLIENT_SECRET and SIGNATURE_METHOD (the only one it takes) come from the
environment; CLOCK_OFFSET sets its clock off by so many seconds. What it refuses it refuses the way oauthlib
does, without saying why; GET /_stats knows. It ends with the test that started it (standard input closes).
"""

import html
import json
import os
import sys
import threading
import time
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from oauthlib.oauth1 import OAuth1Error, RequestValidator, WebApplicationServer

PORT = int(os.environ["PORT"])
REDIRECT_URI = os.environ["REDIRECT_URI"]
CLIENT_ID = os.environ["CLIENT_ID"]
CLIENT_SECRET = os.environ["CLIENT_SECRET"]
SIGNATURE_METHOD = os.environ["SIGNATURE_METHOD"]
CLOCK_OFFSET = int(os.environ.get("CLOCK_OFFSET", "0"))

BASE = f"http://127.0.0.1:{PORT}"
# Token secrets need the encoding of RFC 5849 §3.6 as much as client secrets do.
ODD = " &%+=/ü€"

counted = Counter()
refused = Counter()
lock = threading.Lock()


def now():
    return time.time() + CLOCK_OFFSET


class Validator(RequestValidator):
    """Everything in memory, and a note of each refusal's reason."""

    enforce_ssl = False
    allowed_signature_methods = (SIGNATURE_METHOD,)
    # oauthlib would ask the machine's clock; ours is asked below.
    timestamp_lifetime = 10**9
    dummy_client = "nobody"
    dummy_request_token = "none"
    dummy_access_token = "none"

    def __init__(self):
        super().__init__()
        self.request_tokens = {}
        self.access_tokens = {}
        self.nonces = set()

    def no(self, reason):
        refused[reason] += 1
        return False

    def check_client_key(self, client_key):
        return 1 <= len(client_key) <= 200

    def check_request_token(self, request_token):
        return 8 <= len(request_token) <= 64

    def check_access_token(self, request_token):
        return 8 <= len(request_token) <= 64

    def check_nonce(self, nonce):
        return 8 <= len(nonce) <= 64

    def check_verifier(self, verifier):
        return 8 <= len(verifier) <= 64

    def check_realms(self, realms):
        return True

    def get_client_secret(self, client_key, request):
        return CLIENT_SECRET if client_key == CLIENT_ID else "dummy"

    def get_request_token_secret(self, client_key, token, request):
        return self.request_tokens.get(token, {}).get("secret", "dummy")

    def get_access_token_secret(self, client_key, token, request):
        return self.access_tokens.get(token, "dummy")

    def get_default_realms(self, client_key, request):
        return []

    def get_realms(self, token, request):
        return []

    def get_redirect_uri(self, token, request):
        return self.request_tokens[token]["callback"]

    def validate_client_key(self, client_key, request):
        return client_key == CLIENT_ID or self.no("client")

    def validate_request_token(self, client_key, token, request):
        return token in self.request_tokens or self.no("token")

    def validate_access_token(self, client_key, token, request):
        return token in self.access_tokens or self.no("token")

    def validate_timestamp_and_nonce(
        self, client_key, timestamp, nonce, request, request_token=None, access_token=None
    ):
        if abs(now() - int(timestamp)) > 300:
            return self.no("timestamp")
        used = (client_key, timestamp, nonce, request_token or access_token)
        if used in self.nonces:
            return self.no("nonce")
        self.nonces.add(used)
        return True

    def validate_redirect_uri(self, client_key, redirect_uri, request):
        return redirect_uri.split("?")[0] == REDIRECT_URI or self.no("callback")

    def validate_requested_realms(self, client_key, realms, request):
        return True

    def validate_realms(self, client_key, token, request, uri=None, realms=None):
        return True

    def verify_request_token(self, token, request):
        known = self.request_tokens.get(token)
        return (known is not None and "verifier" not in known) or self.no("token")

    def verify_realms(self, token, realms, request):
        return True

    def validate_verifier(self, client_key, token, verifier, request):
        expected = self.request_tokens.get(token, {}).get("verifier")
        return (expected is not None and expected == verifier) or self.no("verifier")

    def save_request_token(self, token, request):
        token["oauth_token_secret"] += ODD
        self.request_tokens[token["oauth_token"]] = {
            "secret": token["oauth_token_secret"],
            "callback": request.redirect_uri,
        }

    def save_verifier(self, token, verifier, request):
        self.request_tokens[token]["verifier"] = verifier["oauth_verifier"]

    def save_access_token(self, token, request):
        token["oauth_token_secret"] += ODD
        self.access_tokens[token["oauth_token"]] = token["oauth_token_secret"]

    def invalidate_request_token(self, client_key, request_token, request):
        self.request_tokens.pop(request_token, None)


class Server(WebApplicationServer):
    def _check_signature(self, request, is_token_request=False):
        good = super()._check_signature(request, is_token_request)
        return good or self.request_validator.no("signature")


validator = Validator()
server = Server(validator)

CONSENT = """<!doctype html>
<title>Consent</title>
<form method="post" action="/authorize">
<input type="hidden" name="oauth_token" value="{token}">
<p>Let the application in?</p>
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button>
</form>
"""


def request_token(call):
    headers, body, status = server.create_request_token_response(*call.parts)
    counted["request_token"] += status == 200
    return status, headers, body


def access_token(call):
    headers, body, status = server.create_access_token_response(*call.parts)
    counted["access_token"] += status == 200
    return status, headers, body


def ask(call):
    token = call.query.get("oauth_token", [""])[0]
    if not validator.verify_request_token(token, None):
        return 400, {}, "unknown token"
    return 200, {"Content-Type": "text/html; charset=utf-8"}, CONSENT.format(token=html.escape(token))


def decide(call):
    form = dict(parse_qsl(call.body))
    token = form.get("oauth_token", "")
    if form.get("decision") != "allow":
        if not validator.verify_request_token(token, None):
            return 400, {}, "unknown token"
        callback = validator.request_tokens.pop(token)["callback"]
        counted["denied"] += 1
        # oauthlib leaves a refusal to its host; these are the words of OAuth's problem reporting.
        said = urlencode({"oauth_problem": "user_refused", "oauth_token": token})
        return 302, {"Location": callback + ("&" if "?" in callback else "?") + said}, ""
    uri = f"{BASE}/authorize?" + urlencode({"oauth_token": token})
    headers, body, status = server.create_authorization_response(uri, "POST", "", {})
    counted["authorize"] += status == 302
    return status, headers, body


def resource(answer):
    def protected(call):
        good, request = server.validate_protected_resource_request(*call.parts, realms=[])
        if not good:
            if request is None:
                validator.no("unsigned")
            return 401, {"WWW-Authenticate": 'OAuth realm="here"'}, ""
        counted["resource"] += 1
        return 200, {"Content-Type": "application/json"}, json.dumps(answer(call))

    return protected


def me(call):
    return {"id": "1001", "name": "ada", "asked": {name: values[0] for name, values in call.query.items()}}


def status_update(call):
    return {"status": dict(parse_qsl(call.body, keep_blank_values=True)).get("status")}


def stats(_call):
    names = ("request_token", "authorize", "denied", "access_token", "resource")
    shown = {name: counted[name] for name in names} | {"refused": dict(refused)}
    return 200, {"Content-Type": "application/json"}, json.dumps(shown)


ROUTES = {
    ("POST", "/request_token"): request_token,
    ("GET", "/authorize"): ask,
    ("POST", "/authorize"): decide,
    ("POST", "/access_token"): access_token,
    ("GET", "/me"): resource(me),
    ("POST", "/statuses"): resource(status_update),
    ("GET", "/_stats"): stats,
}


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length).decode()
        url = urlsplit(self.path)
        self.query = parse_qs(url.query, keep_blank_values=True)
        self.parts = (f"http://{self.headers['Host']}{self.path}", self.command, self.body, dict(self.headers))
        route = ROUTES.get((self.command, url.path))
        with lock:
            try:
                status, headers, body = route(self) if route else (404, {}, "")
            except OAuth1Error as error:
                status, headers, body = error.status_code, {}, error.urlencoded
            if status == 400:
                refused["malformed"] += 1
        content = (body or "").encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def date_time_string(self, timestamp=None):
        return formatdate(now() if timestamp is None else timestamp, usegmt=True)

    def log_message(self, *_):
        pass


class Listener(ThreadingHTTPServer):
    daemon_threads = True


listener = Listener(("127.0.0.1", PORT), Handler)
threading.Thread(target=listener.serve_forever, daemon=True).start()
print("listening", flush=True)
sys.stdin.read()
