"""Verifies webhook messages with the public `standardwebhooks` library.

Reads one JSON object per line, `{secret, headers, body}`, and prints `ok` or what is wrong.
"""

import json
import sys

from standardwebhooks import Webhook

for line in sys.stdin:
    message = json.loads(line)
    try:
        Webhook(message["secret"]).verify(message["body"].encode(), message["headers"])
        print("ok", flush=True)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", flush=True)
