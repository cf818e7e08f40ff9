"""Runs on a host: what services answer to a question over HTTP, without any key or login.

Argument: JSON {"urls": [...], "ca": file}. Prints JSON {url: [status, where it leads to]}, or
[0, what is wrong].
"""

import json
import ssl
import sys
import urllib.error
import urllib.request

LIMIT_S = 20


class Stay(urllib.request.HTTPRedirectHandler):
    """Where an answer leads to is told, not followed."""

    def redirect_request(self, *_: object) -> None:
        return None


def ask(opener: urllib.request.OpenerDirector, url: str) -> list:
    try:
        with opener.open(url, timeout=LIMIT_S) as answer:
            return [answer.status, ""]
    except urllib.error.HTTPError as error:
        return [error.code, error.headers.get("Location", "")]
    except OSError as error:
        return [0, str(error)]


def main() -> None:
    orders = json.loads(sys.argv[1])
    context = ssl.create_default_context(cafile=orders["ca"])
    # A proxy of the host's own environment is for elsewhere.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), Stay
    )
    print(json.dumps({url: ask(opener, url) for url in orders["urls"]}))


if __name__ == "__main__":
    main()
