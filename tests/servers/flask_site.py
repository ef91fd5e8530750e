"""Flask with Flask-JWT-Extended, as its documentation has it: python flask_site.py PORT ACCESS_SECONDS

JWTs in cookies, with CSRF tokens beside them. Its user is demo, with the password demo-password.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import flask_jwt_extended as jwt
from flask import Flask, Response, jsonify, request

port, seconds = map(int, sys.argv[1:])

app = Flask(__name__)
app.config.update(
    JWT_SECRET_KEY="only-for-tests-" + "x" * 40,
    JWT_TOKEN_LOCATION=["cookies"],
    JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=seconds),
)
manager = jwt.JWTManager(app)
revoked: set[str] = set()


@manager.token_in_blocklist_loader
def is_revoked(_header: dict[str, Any], payload: dict[str, Any]) -> bool:
    return payload["jti"] in revoked


@app.post("/login")
def login() -> tuple[Response, int]:
    given = request.get_json()
    if (given["username"], given["password"]) != ("demo", "demo-password"):
        return jsonify(msg="Bad username or password"), 401
    answer = jsonify(login=True)
    jwt.set_access_cookies(answer, jwt.create_access_token("demo"))
    jwt.set_refresh_cookies(answer, jwt.create_refresh_token("demo"))
    return answer, 200


@app.post("/refresh")
@jwt.jwt_required(refresh=True)
def refresh() -> Response:
    answer = jsonify(refresh=True)
    jwt.set_access_cookies(answer, jwt.create_access_token(jwt.get_jwt_identity()))
    return answer


def revoke() -> Response:
    revoked.add(jwt.get_jwt()["jti"])
    answer = jsonify(logout=True)
    jwt.unset_jwt_cookies(answer)
    return answer


app.add_url_rule("/logout", "logout", jwt.jwt_required(verify_type=False)(revoke), methods=["DELETE"])


@app.post("/api/whoami")
@app.get("/api/whoami")
@jwt.jwt_required()
def who_am_i() -> Response:
    return jsonify(username=jwt.get_jwt_identity())


app.run("127.0.0.1", port, threaded=True)
