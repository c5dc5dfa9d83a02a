//! Error pages: what happened and what to do, and for whom that is.

/// An error page in words.
pub struct Said {
    /// One line.
    pub headline: &'static str,
    /// A sentence or two; empty shows the refusal's own message.
    pub detail: &'static str,
    /// What to do.
    pub steps: &'static [&'static str],
    /// The steps are for the product's developer.
    pub developer: bool,
}

/// Refusals of server functions that have an address, `/refused/{code}`, and its HTTP status.
pub const REFUSED_ACTIONS: [(&str, u16); 11] = [
    ("session_ended", 401),
    ("not_found", 404),
    ("not_open", 410),
    ("invalid_input", 400),
    ("missing_client", 400),
    ("unknown_auth_option", 400),
    ("rate_limit_exceeded", 429),
    ("storage_busy", 503),
    ("storage_full", 503),
    ("storage_read_only", 503),
    ("internal", 500),
];

/// What a refused form says when its refusal has no words of its own.
pub const NOTHING_CHANGED: &str = "Something in the form did not arrive as it should. Nothing was changed.";

const NEEDS_LINK: &str = "This page needs a fresh link";
const TOKEN_STEPS: &[&str] = &[
    "Sign a token on your server: HS256 with the workspace's secret, or RS256, PS256, ES256 or EdDSA with a registered key.",
    "Claims: `iss` is the workspace key, `id` is your customer's id, `exp` is a time at most 24 hours ahead.",
    "Send the customer to this page with `?token=…`, or set it as the address of the iframe.",
    "To try it out: `hitchpost token --workspace KEY --customer ID` prints such a token.",
];

const fn developer(headline: &'static str, detail: &'static str) -> Said {
    Said { headline, detail, steps: TOKEN_STEPS, developer: true }
}

const fn customer(headline: &'static str, detail: &'static str, steps: &'static [&'static str]) -> Said {
    Said { headline, detail, steps, developer: false }
}

/// The page for a reason.
pub fn refusal(reason: &str) -> Said {
    match reason {
        "missing_token" => {
            developer(NEEDS_LINK, "Open your integrations from inside the product that sent you here.")
        }
        "session_ended" => customer(
            "Your session has ended",
            "For your safety this page stops working after a while.",
            &[
                "Go back to the product you came from and open its integrations again.",
                "Nothing you connected was lost.",
            ],
        ),
        "customer_archived" => customer(
            "This page is closed",
            "The product you came from has closed your integrations.",
            &["Ask the people behind that product to open them again."],
        ),
        "link_ended" => customer(
            "This link has ended",
            "Links like this one work for a limited time.",
            &["Ask for a new link, or open the integrations from inside the product."],
        ),
        "token_expired" => developer(NEEDS_LINK, "The token in this link has expired."),
        "unknown_workspace" => developer(
            "This page was not opened correctly",
            "The token's `iss` is not the key of a workspace of this server.",
        ),
        "lifetime_too_long" => developer(
            "This page was not opened correctly",
            "The token is good for longer than this workspace allows (`max_token_lifetime`).",
        ),
        "bad_signature"
        | "unsupported_algorithm"
        | "unknown_key"
        | "malformed_token"
        | "token_too_large"
        | "token_too_deep"
        | "forbidden_header"
        | "invalid_header"
        | "algorithm_not_allowed"
        | "missing_issuer"
        | "conflicting_claims"
        | "duplicate_member"
        | "critical_header"
        | "invalid_claim"
        | "missing_expiry"
        | "missing_customer"
        | "token_not_yet_valid" => developer("This page was not opened correctly", ""),
        "not_found" => customer(
            "There is nothing here",
            "What you are looking for does not exist, or is not yours.",
            &["Go back and open the integrations again."],
        ),
        "not_open" => customer(
            "This page has done its work",
            "It was answered already, or more than ten minutes have passed.",
            &["Go back to the integrations and start again."],
        ),
        "unknown_state" => customer(
            "Nothing was connected",
            "This link was used before, has expired, or was never ours.",
            &["Go back to the integrations and start again."],
        ),
        "wrong_browser" => customer(
            "Nothing was connected",
            "This connection was started in another browser or by somebody else.",
            &[
                "If you started it yourself, start again and finish in the same browser.",
                "If someone sent you a link, close this page. Your account was not shared.",
            ],
        ),
        "cross_site" => {
            customer("Nothing was done", "This form was sent by another site.", &["Close this page."])
        }
        "redirect_not_allowed" => Said {
            headline: "This page was not opened correctly",
            detail: "",
            steps: &["Add the origin of `redirectUri` to the workspace's `allowed_origins`."],
            developer: true,
        },
        "missing_client" => Said {
            headline: "This app is not set up yet",
            detail: "It cannot be connected before the product's team has finished its set-up.",
            steps: &[
                "Give the integration a `client_id` and `client_secret` in hitchpost.toml and run `hitchpost apply`.",
            ],
            developer: true,
        },
        "rate_limit_exceeded" => customer(
            "That was a little fast",
            "There were many requests in a short time. Nothing was lost.",
            &["Wait a moment, then try again."],
        ),
        "storage_busy" | "storage_full" | "storage_read_only" => customer(
            "Please try again in a moment",
            "The server is busy right now. Nothing was lost.",
            &["Reload this page in a moment."],
        ),
        "internal" => customer(
            "Something went wrong on our side",
            "Nothing was lost. The people who run this server have been told in its log.",
            &["Go back and try again."],
        ),
        "invalid_input" => {
            customer("That could not be read", "", &["Go back, reload the page and try again."])
        }
        "unknown_auth_option" => customer(
            "That way to connect is gone",
            "The product has changed how this app is connected.",
            &["Go back to the integrations and choose the app again."],
        ),
        "invalid_query" => customer(
            "This address is not complete",
            "Part of it is missing or stands there twice.",
            &["Go back to the integrations and try again."],
        ),
        "payload_too_large" => customer("That is too much", "", &["Go back and send less."]),
        "method_not_allowed" => customer(
            "There is nothing to see here",
            "This address only takes forms.",
            &["Go back to the integrations."],
        ),
        _ => customer("That did not work", "", &["Go back and try again."]),
    }
}
