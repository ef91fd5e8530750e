"""A Django project in one file, with the auth package that is asked for:

    python django_site.py simplejwt|dj-rest-auth|dj-rest-auth-cookies|oauth2|sessions PORT FOLDER ACCESS_SECONDS

Its user is demo, with the password demo-password; in FOLDER goes the database. Passwords are hashed fast.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

package, port, folder, seconds = sys.argv[1:]

JWT = {
    "apps": ["rest_framework_simplejwt.token_blacklist"],
    "authentication": "rest_framework_simplejwt.authentication.JWTAuthentication",
}
DJ_REST_AUTH = {
    "apps": [*JWT["apps"], "dj_rest_auth"],
    "authentication": "dj_rest_auth.jwt_auth.JWTCookieAuthentication",
}
PACKAGES: dict[str, dict[str, Any]] = {
    "simplejwt": JWT,
    "dj-rest-auth": DJ_REST_AUTH,
    "dj-rest-auth-cookies": DJ_REST_AUTH,
    "oauth2": {
        "apps": ["django.contrib.sessions", "oauth2_provider"],
        "authentication": "oauth2_provider.contrib.rest_framework.OAuth2Authentication",
    },
    "sessions": {
        "apps": ["django.contrib.sessions"],
        "authentication": "rest_framework.authentication.SessionAuthentication",
    },
}
chosen = PACKAGES[package]

# The login of people, with its page.
SESSIONS: dict[str, Any] = {
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    "STATIC_URL": "static/",
    "SESSION_COOKIE_AGE": int(seconds),
    "LOGOUT_REDIRECT_URL": "/",
}

settings.configure(
    SECRET_KEY="only-for-tests-" + "x" * 40,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(Path(folder) / "db.sqlite3"),
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", *chosen["apps"]],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [chosen["authentication"]],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    SIMPLE_JWT={
        "ACCESS_TOKEN_LIFETIME": timedelta(seconds=float(seconds)),
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
    },
    REST_AUTH={
        "USE_JWT": True,
        "TOKEN_MODEL": None,
        "SESSION_LOGIN": False,
        "JWT_AUTH_HTTPONLY": package == "dj-rest-auth-cookies",
        "JWT_AUTH_COOKIE": "access" if package == "dj-rest-auth-cookies" else None,
        "JWT_AUTH_REFRESH_COOKIE": "refresh" if package == "dj-rest-auth-cookies" else None,
        "JWT_AUTH_RETURN_EXPIRATION": True,
    },
    OAUTH2_PROVIDER={
        "ACCESS_TOKEN_EXPIRE_SECONDS": int(seconds),
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "SCOPES": {"read": "to read"},
    },
    **(SESSIONS if package == "sessions" else {}),
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.urls import include, path  # noqa: E402
from rest_framework.permissions import BasePermission  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class HasToken(BasePermission):  # type: ignore[misc]
    """A client that is no user's has a token, too; a session is none."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return request.auth is not None or request.user.is_authenticated


class WhoAmI(APIView):  # type: ignore[misc]
    permission_classes = [HasToken]

    def get(self, request: Any) -> Response:
        return Response({"username": getattr(request.user, "username", None)})


urlpatterns = [path("api/whoami", WhoAmI.as_view())]

if package == "simplejwt":
    from rest_framework_simplejwt import views

    urlpatterns += [
        path("api/token/", views.TokenObtainPairView.as_view()),
        path("api/token/refresh/", views.TokenRefreshView.as_view()),
        path("api/token/blacklist/", views.TokenBlacklistView.as_view()),
    ]
elif chosen is DJ_REST_AUTH:
    urlpatterns += [path("auth/", include("dj_rest_auth.urls"))]
elif package == "sessions":
    urlpatterns += [path("api-auth/", include("rest_framework.urls"))]
else:
    from oauth2_provider.urls import metadata_urlpatterns

    urlpatterns += [
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
        path("", include((metadata_urlpatterns, "oauth2_metadata"))),
    ]


def make_database() -> None:
    call_command("migrate", verbosity=0)
    users = get_user_model().objects
    if users.exists():
        return
    users.create_user("demo", password="demo-password")
    if package == "oauth2":
        from oauth2_provider.models import Application

        for grant in (Application.GRANT_PASSWORD, Application.GRANT_CLIENT_CREDENTIALS):
            Application.objects.create(
                client_id=grant,
                client_secret="demo-password",
                client_type=Application.CLIENT_CONFIDENTIAL,
                authorization_grant_type=grant,
            )


make_database()
call_command("runserver", f"127.0.0.1:{port}", use_reloader=False)
