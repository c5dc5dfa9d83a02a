"""An OAuth 2 server that nobody here wrote, for the interop tests: PyPI `django-oauth-toolkit`.

PORT, REDIRECT_URI, CLIENT_ID, CLIENT_SECRET, SERVICE_ID and SERVICE_SECRET come from the environment, and
DATABASE, a file, when it shall outlive the process. One confidential client for codes, one for client
credentials, both with hashed secrets; PKCE is required. Who comes by browser is signed in as `ada`.
It counts what it answers: GET /_stats. It ends with the test that started it (standard input closes).
"""

import atexit
import os
import sys
import tempfile
import threading
from collections import Counter
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

PORT = int(os.environ["PORT"])
DATABASE = os.environ.get("DATABASE")
if not DATABASE:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    DATABASE = os.path.join(folder.name, "django.db")

CONSENT = """<!doctype html>
<title>Consent</title>
{% if error %}<p>{{ error.error }}: {{ error.description }}</p>{% else %}
<form method="post" action="{{ request.get_full_path }}">
{% csrf_token %}{% for field in form %}{% if field.is_hidden %}{{ field }}{% endif %}{% endfor %}
{% for scope in scopes_descriptions %}<p>{{ scope }}</p>{% endfor %}
<button>Cancel</button>
<button name="allow" value="Authorize">Authorize</button>
</form>{% endif %}
"""

settings.configure(
    SECRET_KEY="not a secret: it lives as long as a test",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE, "OPTIONS": {"timeout": 10}}
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        f"{__name__}.counting",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        f"{__name__}.signing_in",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    # The toolkit's own page has a form without address, which needs a browser to know it.
                    ("django.template.loaders.locmem.Loader", {"oauth2_provider/authorize.html": CONSENT}),
                    "django.template.loaders.app_directories.Loader",
                ],
                "context_processors": ["django.template.context_processors.request"],
            },
        }
    ],
    OAUTH2_PROVIDER={
        "PKCE_REQUIRED": True,
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
        "SCOPES": {"read": "See everything", "write": "Change everything"},
        "DEFAULT_SCOPES": ["read"],
    },
    LOGGING_CONFIG=None,
)
django.setup()

from django.contrib.auth import get_user_model, login  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils import timezone  # noqa: E402
from oauth2_provider.decorators import protected_resource  # noqa: E402
from oauth2_provider.models import AccessToken, Application, RefreshToken  # noqa: E402

counted = Counter()
lock = threading.Lock()


def count(name):
    with lock:
        counted[name] += 1


def counting(get_response):
    """Counts token and revocation calls by what was asked for."""

    def answer(request):
        response = get_response(request)
        if request.path == "/o/token/":
            asked = {"authorization_code": "code", "refresh_token": "refresh"}
            grant = request.POST.get("grant_type", "")
            count(asked.get(grant, grant) if response.status_code == 200 else "refused")
        elif request.path == "/o/revoke_token/":
            count("revocation" if response.status_code == 200 else "refused")
        return response

    return answer


def signing_in(get_response):
    """Signs everybody in who comes to the consent page."""

    def answer(request):
        if request.path == "/o/authorize/" and not request.user.is_authenticated:
            user = get_user_model().objects.get(username="ada")
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return get_response(request)

    return answer


@protected_resource(scopes=["read"])
def me(request):
    count("resource")
    owner = request.resource_owner
    if owner is None:
        token = AccessToken.objects.get(token=request.headers["Authorization"].split()[1])
        return JsonResponse({"id": token.application.client_id, "name": token.application.name})
    return JsonResponse({"id": str(owner.pk), "name": owner.username})


def stats(_request):
    names = ("code", "refresh", "client_credentials", "revocation", "refused", "resource")
    now = timezone.now()
    return JsonResponse(
        {name: counted[name] for name in names}
        | {
            "living_access_tokens": AccessToken.objects.filter(expires__gt=now).count(),
            "living_refresh_tokens": RefreshToken.objects.filter(revoked__isnull=True).count(),
        }
    )


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("me", me),
    path("_stats", stats),
]


def prepare():
    call_command("migrate", verbosity=0, interactive=False)
    user, _ = get_user_model().objects.get_or_create(username="ada")
    clients = [
        ("CLIENT", Application.GRANT_AUTHORIZATION_CODE, os.environ["REDIRECT_URI"], user),
        ("SERVICE", Application.GRANT_CLIENT_CREDENTIALS, "", None),
    ]
    for name, grant, redirect_uris, owner in clients:
        Application.objects.get_or_create(
            client_id=os.environ[f"{name}_ID"],
            defaults={
                "name": name.lower(),
                "user": owner,
                "client_type": Application.CLIENT_CONFIDENTIAL,
                "authorization_grant_type": grant,
                "redirect_uris": redirect_uris,
                "client_secret": os.environ[f"{name}_SECRET"],
                "hash_client_secret": True,
            },
        )


class Listener(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    # Django looks the URLs and the middleware up by this module's name.
    from django.core.wsgi import get_wsgi_application

    prepare()
    listener = make_server("127.0.0.1", PORT, get_wsgi_application(), Listener, Quiet)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    print("listening", flush=True)
    sys.stdin.read()
