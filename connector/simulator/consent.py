"""The consent page in Seller and Vendor Central's place.

Under /seller only sellers can be chosen, under /vendor only vendors, at the root all of them.
"""

from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit

from . import partners
from .answers import Answer, Refusal

PATH = "/apps/authorize/consent"
PATHS = (PATH, "/seller" + PATH, "/vendor" + PATH)
LOOPBACK = ("localhost", "127.0.0.1", "::1")

REASONS = {
    "MD1000": "This application is a draft and can only be authorised with version=beta.",
    "MD5101": "The redirect URI is not registered for this application.",
    "MD5110": "The redirect URI must not contain a fragment.",
    "MD9100": "The application is unknown, or has no redirect URI.",
    "SPDC8143": "You are not the primary user of this account.",
}

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; display: grid; place-items: center; min-height: 100vh; background: Canvas; color: CanvasText; }
main { max-width: 34rem; padding: 2rem; margin: 1rem; border: 1px solid #8886; border-radius: 12px; }
small, .note { color: GrayText; }
label { display: block; padding: .5rem .75rem; border: 1px solid #8884; border-radius: 8px; margin: .5rem 0; }
button { font: inherit; padding: .6rem 1.4rem; border: 0; border-radius: 8px; background: #0b5cab; color: #fff; }
button:focus-visible, label:focus-within { outline: 3px solid #0b5cab66; }
code { overflow-wrap: anywhere; }
"""


def answer(simulator, request):
    values = request.values()
    if request.method == "POST":
        values = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    elif request.method not in ("GET", "HEAD"):
        raise Refusal(_error_page("MD9100"))
    application, redirect_uri = _checked(simulator, values)
    offered = _offered(request.path)
    if request.method != "POST":
        return _page("Authorise an application", _question(request, application, redirect_uri, offered, values))
    partner = next((each for each in offered if each.id == values.get("partner")), None)
    if partner is None:
        raise Refusal(_error_page("MD9100"))
    code = simulator.tokens.new_code(application, partner, redirect_uri, asked_for_uri="redirect_uri" in values)
    back = {"state": values["state"]} if "state" in values else {}
    back |= {"selling_partner_id": partner.id, "spapi_oauth_code": code}
    joint = "&" if urlsplit(redirect_uri).query else "?"
    headers = {"Location": redirect_uri + joint + urlencode(back), "Referrer-Policy": "no-referrer"}
    return Answer(302, headers=headers)


def _checked(simulator, values):
    application = simulator.applications.by_application_id(values.get("application_id"))
    if application is None:
        raise Refusal(_error_page("MD9100"))
    if application.error:
        raise Refusal(_error_page(application.error))
    if application.draft and values.get("version") != "beta":
        raise Refusal(_error_page("MD1000"))
    redirect_uri = values.get("redirect_uri") or next(iter(application.redirect_uris), None)
    if not redirect_uri:
        raise Refusal(_error_page("MD9100"))
    parts = urlsplit(redirect_uri)
    if parts.fragment:
        raise Refusal(_error_page("MD5110"))
    if redirect_uri not in application.redirect_uris and parts.hostname not in LOOPBACK:
        raise Refusal(_error_page("MD5101"))
    return application, redirect_uri


def _offered(path):
    kind = path.removesuffix(PATH).strip("/")
    return [partner for partner in partners.PARTNERS if kind in ("", partner.kind)]


def _question(request, application, redirect_uri, offered, values):
    first = offered[0]
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(values[name])}">'
        for name in ("application_id", "state", "version", "redirect_uri")
        if name in values
    )
    choices = "".join(
        f'<label><input type="radio" name="partner" value="{partner.id}"{" checked" if partner is first else ""}> '
        f"{escape(partner.name)} <small>{partner.id} · {partner.kind}, {partner.region}</small></label>"
        for partner in offered
    )
    return (
        f"<h1>{escape(application.name)}</h1>"
        f"<p>You are about to authorise <strong>{escape(application.name)}</strong> to read the data of "
        f"<strong>{escape(first.name)}</strong>, or of another account that you choose here:</p>"
        f'<form method="post" action="{escape(request.path)}">{hidden}{choices}'
        '<p><button type="submit">Authorise</button></p></form>'
        f'<p class="note">This page stands in for Amazon. You will be sent back to <code>{escape(redirect_uri)}</code>.'
        "</p>"
    )


def _error_page(code):
    reason = REASONS.get(code, "The application cannot be authorised.")
    content = f"<h1>Something went wrong</h1><p>{reason}</p><p>Error code: <strong>{escape(code)}</strong></p>"
    return _page("Error", content, 400)


def _page(title, content, status=200):
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>{content}</main></body></html>"
    )
    headers = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
    return Answer(status, text.encode(), "text/html; charset=utf-8", headers)
