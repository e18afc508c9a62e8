//! Software in a user agent's text, for devices that do not say it in fields of their own.
//!
//! A text claims to be several browsers; the one that only itself claims is looked for first.
//! Cost: a few scans of some hundred bytes, only where a line item mentions browsers or systems.

use crate::catalog::Version;

/// The usual name of software, in lower case, for the other names that it goes by.
pub(crate) fn usual(name: &str) -> &str {
    match name {
        "google chrome" | "chrome mobile" | "headlesschrome" => "chrome",
        "microsoft edge" => "edge",
        "mobile safari" => "safari",
        "samsung browser" | "samsungbrowser" => "samsung internet",
        "msie" | "ie" => "internet explorer",
        "os x" | "mac os x" | "mac os" => "macos",
        "iphone os" | "ipados" => "ios",
        "chromeos" | "chromium os" | "cros" => "chrome os",
        "web0s" => "webos",
        other => other,
    }
}

/// Mark in the text, name.
const BROWSERS: [(&str, &str); 14] = [
    ("Edg/", "edge"),
    ("EdgA/", "edge"),
    ("EdgiOS/", "edge"),
    ("Edge/", "edge"),
    ("OPR/", "opera"),
    ("SamsungBrowser/", "samsung internet"),
    ("YaBrowser/", "yandex"),
    ("FxiOS/", "firefox"),
    ("Firefox/", "firefox"),
    ("CriOS/", "chrome"),
    ("Chrome/", "chrome"),
    ("MSIE ", "internet explorer"),
    ("Trident/", "internet explorer"),
    ("Version/", "safari"),
];

/// The browser and its version.
pub(crate) fn browser(agent: &str) -> Option<(&'static str, Option<Version>)> {
    let (mark, name) = BROWSERS.iter().find(|(mark, _)| agent.contains(mark))?;
    // Version/4.0 also stands in old Android browsers, which are no Safari.
    if *mark == "Version/" && !agent.contains("Safari/") {
        return None;
    }
    // The engine of Internet Explorer 11 hides the browser's own version.
    let version = (*mark != "Trident/").then(|| after(agent, mark)).flatten();
    Some((name, version))
}

/// Mark in the text, name; versions follow the mark.
const SYSTEMS: [(&str, &str); 10] = [
    ("Windows NT ", "windows"),
    ("Windows Phone ", "windows phone"),
    ("Tizen ", "tizen"),
    ("Web0S", "webos"),
    ("Android ", "android"),
    ("iPhone OS ", "ios"),
    ("CPU OS ", "ios"),
    ("Mac OS X ", "macos"),
    ("CrOS ", "chrome os"),
    ("Linux", "linux"),
];

/// The operating system and its version.
pub(crate) fn system(agent: &str) -> Option<(&'static str, Option<Version>)> {
    let (mark, name) = SYSTEMS.iter().find(|(mark, _)| agent.contains(mark))?;
    Some((name, after(agent, mark)))
}

fn after(agent: &str, mark: &str) -> Option<Version> {
    let (_, version) = agent.split_once(mark)?;
    let end = version
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'))
        .count();
    Version::lowest(&version[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_known_by_what_only_they_claim() {
        let version = |text| Version::lowest(text);
        for (agent, (system_name, system_version), (browser_name, browser_version)) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/120.0.0.0 Safari/537.36 Edg/120.0.2210.61",
                ("windows", "10.0"),
                ("edge", "120.0.2210"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
                ("ios", "17.2"),
                ("safari", "17.2"),
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) \
                 SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36",
                ("android", "13"),
                ("samsung internet", "23"),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
                ("linux", ""),
                ("firefox", "121"),
            ),
            (
                "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
                ("windows", "6.1"),
                ("internet explorer", ""),
            ),
        ] {
            assert_eq!(
                system(agent),
                Some((system_name, version(system_version))),
                "{agent}"
            );
            assert_eq!(
                browser(agent),
                Some((browser_name, version(browser_version))),
                "{agent}"
            );
        }
        assert_eq!((system(""), browser("curl/8")), (None, None));
    }
}
