"""In a real browser, with an authenticator of its own: enrol, sign in, sign out.

    python sign_in_browser.py CHROMIUM ORIGIN TOKEN

Run by an interpreter that has `playwright`. Prints what the page says of whoever is signed in.
"""

import sys

from playwright.sync_api import sync_playwright

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}

chromium, origin, token = sys.argv[1:]
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    page.goto(f"{origin}/sign-in#{token}")
    page.click("#enrol-passkey")
    page.click("#passkey")
    page.wait_for_selector("#signed-in:not([hidden])")
    print(page.inner_text("#me"))
    page.click("#sign-out")
    page.wait_for_selector("#sign-in:not([hidden])")
    browser.close()
    assert errors == [], errors
