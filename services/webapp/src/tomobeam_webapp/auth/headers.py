"""Response headers that tell browsers what this page never does."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response, request

_FRESH = frozenset({"/", "/events", "/auth/check"})


def install(server: Flask, script_hashes: Sequence[str], *, behind_tls: bool) -> None:
    """Add the headers to every response; `script_hashes` are those of Dash's inline scripts."""
    policy = "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' " + " ".join(script_hashes),
            # The components set their styles in the document.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )

    @server.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
        if behind_tls:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.path in _FRESH or request.path.startswith("/log"):
            response.headers["Cache-Control"] = "no-store"
        return response
