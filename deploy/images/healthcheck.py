"""Whether a URL answers 200: ``healthcheck.py URL``. For HEALTHCHECK, because none of the images has curl for certain.

It knows HTTP, and that a certificate need not name this machine when the question comes from inside. Standard library
only, for any Python of an image.
"""

import ssl
import sys
import urllib.error
import urllib.request

SECONDS = 4


def main(arguments):
    if len(arguments) != 1:
        print("give one URL, such as http://127.0.0.1:9000/healthz")
        return 2
    url = arguments[0]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=SECONDS, context=context):
            return 0
    except urllib.error.HTTPError as error:
        print(f"{url} answers {error.code}: {error.read(500).decode('utf-8', 'replace')}")
    except (OSError, ValueError) as error:
        print(f"{url} does not answer: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
