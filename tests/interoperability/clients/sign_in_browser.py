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

chromium, origin, token = sys.argv[1:4]
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
    page.fill("#email", "nobody@example.org")
    page.fill("#secret", "no word of anybody's")
    page.fill("#code", "123456")
    page.click("#password button")
    page.wait_for_selector("#told span")
    said = {language: page.inner_text(f"#told [lang={language}]") for language in ("en", "ko")}
    assert said["en"].startswith("This does not sign anybody in."), said
    assert said["ko"].startswith("로그인할 수 없습니다."), said
    page.screenshot(path=sys.argv[4]) if len(sys.argv) > 4 else None
    browser.close()
    assert errors == [], errors
