//! Agents as they are seen in the field, of every kind that the labelled cases have: further programs in
//! which people read and follow links, further proxies, scanners and crawlers. Sources: yauaa's and
//! matomo's lists by name, the makers' own pages, crawler-user-agents, isbot, and what each program sends.

use super::*;

const CHROME: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";

/// Class of a hit from an ordinary network, so many seconds after the sending.
fn class(kind: HitKind, agent: &str, seconds: i64, address: &str) -> Judgement {
    classify(&Evidence {
        address: Some(address.parse().unwrap()),
        after_send_ms: Some(seconds * 1_000),
        ..Evidence::of_agent(kind, Some(agent))
    })
}

const HOME: &str = "203.0.113.20";

fn are(expected: Class, hits: &[(HitKind, String, i64, &str)]) {
    let wrong: Vec<_> = hits
        .iter()
        .map(|(kind, agent, seconds, address)| {
            (class(*kind, agent, *seconds, address), kind, seconds, agent)
        })
        .filter(|(verdict, ..)| verdict.class != expected)
        .collect();
    assert!(wrong.is_empty(), "not {expected:?}: {wrong:#?}");
}

#[test]
fn mail_clients_are_people_as_soon_as_the_mail_is_there() {
    let agents = [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:115.0) Gecko/20100101 Thunderbird/115.12.2".to_owned(),
        "Mozilla/5.0 (X11; Linux x86_64; rv:91.0) Gecko/20100101 Thunderbird/91.13.0 Lightning/91".to_owned(),
        "Outlook-iOS/723.4027091.prod.iphone (4.28.0)".to_owned(),
        "Outlook-Android/2.0".to_owned(),
        "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; .NET4.0C; .NET4.0E; Microsoft Outlook 16.0.4266; ms-office; MSOffice 16)".to_owned(),
        "YahooMobileMail/1.0 (Android Mail; 7.30.1) (hero2lte;samsung;SM-G935F;8.0.0;2560x1440;)".to_owned(),
        "Yahoo%20Mail/31842 CFNetwork/976 Darwin/18.2.0".to_owned(),
        "Spark/3.1.2 CFNetwork/1410.0.3 Darwin/22.6.0".to_owned(),
        "Mail/3696.120.41.1.10 CFNetwork/1333.0.4 Darwin/21.5.0".to_owned(),
        "MobileMail/1.0 CFNetwork/1494.0.7 Darwin/23.4.0".to_owned(),
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.5 Safari/605.1.15 Evolution/3.48.4".to_owned(),
        format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Mailspring/1.13.3 Chrome/114.0.5735.289 Electron/25.8.4 Safari/537.36"),
        format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} eM Client/9.2.2258.0 Chrome/117.0.5938.132 Safari/537.36"),
        "The Bat! (v10.5.2) Professional".to_owned(),
        "Lotus-Notes/6.0 (Windows-NT)".to_owned(),
        "Mozilla/4.0 (compatible; Lotus-Notes/5.0; Windows-NT)".to_owned(),
        "K-9 Mail for Android".to_owned(),
        "SamsungEmail/6.1.90.16 (SM-S911B; Android 14)".to_owned(),
        "ProtonMail/4.0.4 (Android 13; Samsung SM-G973F)".to_owned(),
        format!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {CHROME} Proton Mail/1.0.4 Chrome/124.0.6367.207 Electron/30.0.6 Safari/537.36"),
        format!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {CHROME} Slack/4.38.125 Chrome/124.0.6367.91 Electron/30.0.2 Safari/537.36"),
        "Airmail/5.6.14 CFNetwork/1410.0.3 Darwin/22.6.0".to_owned(),
        "CanaryMail/4.30 CFNetwork/1485 Darwin/23.1.0".to_owned(),
        "Microsoft-MacOutlook/16.78.23100802".to_owned(),
        "MailDroid/4.5 (Android 4.2)".to_owned(),
        "eM%20Client/10.0.3266 CFNetwork/1496.0.7 Darwin/23.5.0".to_owned(),
        "GMX Mail/7.44 (Android 14; SM-A546B)".to_owned(),
        "FairEmail/1.2178".to_owned(),
        "BlueMail/1.9.8 (Android 13)".to_owned(),
    ];
    are(
        Class::Human,
        &agents.map(|agent| (HitKind::Open, agent, 5, HOME)),
    );
}

#[test]
fn image_proxies_act_for_readers_at_any_delay_and_click_nothing() {
    let agents = [
        "Mozilla/5.0 (Windows; U; Windows NT 5.1; de; rv:1.9.0.7) Gecko/2009021910 Firefox/3.0.7 (via ggpht.com GoogleImageProxy)".to_owned(),
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com)  GoogleImageProxy".to_owned(),
        "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html".to_owned(),
        "hey.com/imageproxy Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)".to_owned(),
        format!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {CHROME} Chrome/126.0.0.0 Safari/537.36 FastmailUA/1.0"),
        "SeznamEmailProxy/2.0.127".to_owned(),
        "Mozilla/5.0 (compatible; SeznamEmailProxy/1.0)".to_owned(),
        "RamblerMail/6.0 (incompatible; ImageProxy/6.0)".to_owned(),
        format!("Mozilla/5.0 (Windows NT 10.0) {CHROME} Chrome/55.0.2883.87 Safari/537.36 (via secureurl.fwdcdn.com - mail.ukr.net proxy)"),
        "Superhuman/25.1.6 (iOS 17.4; iPhone15,2) Alamofire/5.9.0 (via SuperhumanProxy; hello@superhuman.com)".to_owned(),
        "Shortwave Image Fetcher".to_owned(),
    ];
    for seconds in [0, 5, 90, 86_400] {
        let hits = |kind| agents.clone().map(|agent| (kind, agent, seconds, HOME));
        are(Class::ProxyHuman, &hits(HitKind::Open));
        are(Class::Bot, &hits(HitKind::Click));
    }
}

#[test]
fn browsers_in_apps_and_odd_ones_are_people_when_they_click() {
    let android = |model: &str, rest: &str| {
        format!(
            "Mozilla/5.0 (Linux; Android 14; {model}) {CHROME} Version/4.0 Chrome/125.0.6422.165 Mobile Safari/537.36{rest}"
        )
    };
    let agents = [
        format!("{IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/468.0.0.40.106;FBBV/609170126;FBDV/iPhone15,2;FBMD/iPhone;FBSN/iOS;FBSV/17.5.1;FBSS/3;FBLC/de_DE;FBOP/5;FBRV/0]"),
        format!("{IPHONE} Mobile/15E148 Instagram 338.0.0.33.106 (iPhone15,2; iOS 17_5_1; de_DE; de; scale=3.00; 1179x2556; 618461234)"),
        format!("{IPHONE} Mobile/15E148 LinkedInApp/9.29.5"),
        format!("{IPHONE} Mobile/15E148 [LinkedInApp]/9.29.5"),
        format!("{IPHONE} GSA/323.0.647062479 Mobile/15E148 Safari/604.1"),
        format!("{IPHONE} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1"),
        format!("{IPHONE} EdgiOS/126.0.2592.61 Version/17.0 Mobile/15E148 Safari/604.1"),
        format!("{IPHONE} FxiOS/127.2 Mobile/15E148 Safari/605.1.15"),
        format!("{IPHONE} Version/17.5 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15"),
        format!("{IPHONE} Mobile/15E148 Twitter for iPhone/10.46"),
        format!("{IPHONE} Mobile/15E148 musical_ly_34.9.0 JsSdk/2.0 NetType/WIFI Channel/App Store ByteLocale/de Region/DE BytedanceWebview/d8a21c6"),
        format!("{IPHONE} Mobile/15E148 Safari Line/14.8.0"),
        format!("{IPHONE} Mobile/15E148 KAKAOTALK 10.8.3"),
        format!("{IPHONE} Mobile/15E148 MicroMessenger/8.0.49(0x18003137) NetType/WIFI Language/de"),
        format!("{IPHONE} Version/17.0 Mobile/15E148 Safari/604.1 (Ecosia ios@9.3.0.1234)"),
        format!("{IPHONE} Mobile/15E148 [Pinterest/iOS]"),
        format!("{IPHONE} Version/17.5 Mobile/15E148 Snapchat/12.90.0.46 (like Safari/8618.2.12.10.9, panda)"),
        android("CUBOT_X50 Build/RP1A; wv", ""),
        android("SM-G991B Build/UP1A.231005.007; wv", " [FB_IAB/FB4A;FBAV/468.0.0.57.79;]"),
        android("Pixel 8 Build/AP1A; wv", " TwitterAndroid"),
        android("SM-A546B Build/UP1A; wv", " Teams/1416/1.0.0.2024090302"),
        android("SM-S918B Build/UP1A; wv", " GoogleApp/15.23.36.28.arm64"),
        "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36".to_owned(),
        "Mozilla/5.0 (Linux; U; Android 12; ru-ru; Redmi Note 9 Pro Build/SKQ1.211019.001) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/112.0.5615.136 Mobile Safari/537.36 XiaoMi/MiuiBrowser/14.7.1-gn".to_owned(),
        format!("{WINDOWS} OPR/111.0.0.0 (Edition Yx GX)"),
        format!("{WINDOWS} Edg/126.0.0.0"),
        format!("{WINDOWS} Avast/126.0.0.0"),
        format!("{WINDOWS} Norton/125.0.25426.142"),
        format!("{WINDOWS} Vivaldi/6.8.3381.44"),
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) coc_coc_browser/123.0.180 Chrome/117.0.5938.180 Safari/537.36".to_owned(),
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) QtWebEngine/6.7.1 Chrome/118.0.5993.220 Safari/537.36".to_owned(),
        "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36".to_owned(),
        "Mozilla/5.0 (PlayStation 5/SmartTV) AppleWebKit/605.1.15 (KHTML, like Gecko)".to_owned(),
        "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80 (S60; SymbOS; Opera Mobi/23.348; U; en) Presto/2.5.25 Version/10.54".to_owned(),
        "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko".to_owned(),
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15".to_owned(),
    ];
    are(
        Class::Human,
        &agents.map(|agent| (HitKind::Click, agent, 600, HOME)),
    );
}

#[test]
fn scanners_previews_and_crawlers_are_bots_whenever_they_come() {
    let agents = [
        "BarracudaSentinel (EE)".to_owned(),
        "Mozilla/5.0 (compatible; Barracuda Sentinel; +https://www.barracuda.com)".to_owned(),
        "Microsoft Office Protocol Discovery".to_owned(),
        format!("{WINDOWS} SmartScreen/2814750990024704"),
        "SmartScreen/2814751014982034".to_owned(),
        "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b".to_owned(),
        "Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)".to_owned(),
        "Expanse, a Palo Alto Networks company, searches across the global IPv4 space multiple times per day to identify customers&#39; presences on the Internet.".to_owned(),
        "Mozilla/5.0 (compatible; NetcraftSurveyAgent/1.0; +info@netcraft.com)".to_owned(),
        "Mozilla/5.0 (compatible; PhishTank)".to_owned(),
        "Zscaler-Cloud-Sandbox/1.0".to_owned(),
        "TrendMicro-WRS/1.0".to_owned(),
        "Mozilla/5.0 (compatible; ProofpointURLDefense/1.0)".to_owned(),
        "Mimecast-URL-Protect/2.0".to_owned(),
        "Mozilla/5.0 (compatible; Trellix Email Security)".to_owned(),
        "CheckMarkNetwork/1.0 (+http://www.checkmarknetwork.com/spider.html)".to_owned(),
        "TelegramBot (like TwitterBot)".to_owned(),
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)".to_owned(),
        "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)".to_owned(),
        "facebookexternalhit/1.1".to_owned(),
        "WhatsApp/2.24.11.79 A".to_owned(),
        "Viber/22.6.0.5 CFNetwork/1496.0.7 Darwin/23.5.0".to_owned(),
        "Slackbot 1.0 (+https://api.slack.com/robots)".to_owned(),
        "Google-InspectionTool/1.0".to_owned(),
        "FeedFetcher-Google; (+http://www.google.com/feedfetcher.html)".to_owned(),
        "GoogleDocs; apps-spreadsheets; (+http://docs.google.com)".to_owned(),
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.1; +https://openai.com/gptbot)".to_owned(),
        "Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)".to_owned(),
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0".to_owned(),
        "curl/8.7.1".to_owned(),
        "Wget/1.24.5".to_owned(),
        "python-httpx/0.27.0".to_owned(),
        "aiohttp/3.9.5".to_owned(),
        "Python/3.11 aiohttp/3.9.5".to_owned(),
        "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)".to_owned(),
        "axios/1.7.2".to_owned(),
        "okhttp/4.12.0".to_owned(),
        "Java/17.0.11".to_owned(),
        "Java-http-client/21.0.3".to_owned(),
        "Apache-HttpClient/5.3.1 (Java/17.0.11)".to_owned(),
        "Ruby".to_owned(),
        "GuzzleHttp/7".to_owned(),
        "PHP/8.2.20".to_owned(),
        "PostmanRuntime/7.39.0".to_owned(),
        "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.4522".to_owned(),
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.6478.61 Safari/537.36".to_owned(),
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1".to_owned(),
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Cypress/13.12.0".to_owned(),
        "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)".to_owned(),
        "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)".to_owned(),
        "W3C_Validator/1.3 http://validator.w3.org/services".to_owned(),
        "LinkChecker/10.4".to_owned(),
        "Xenu Link Sleuth/1.3.8".to_owned(),
        "Embedly/0.2".to_owned(),
        "Iframely/1.3.1".to_owned(),
        "Zoom.us LinkPreview/1.0".to_owned(),
        "Mattermost-Bot/1.1".to_owned(),
        "Synapse (bot; +https://github.com/matrix-org/synapse)".to_owned(),
        "Signal-Desktop Link Preview/1.0".to_owned(),
        "Mozilla/5.0 (compatible; Sophos-URL-Scanner)".to_owned(),
        "Symantec-Click-Time-URL-Protection/1.0".to_owned(),
        "Mozilla/5.0 (compatible; VirusTotalBot)".to_owned(),
        "Hybrid-Analysis Sandbox".to_owned(),
        "JoeSandbox/40".to_owned(),
        "any.run sandbox".to_owned(),
    ];
    for kind in [HitKind::Open, HitKind::Click] {
        are(
            Class::Bot,
            &agents.clone().map(|agent| (kind, agent, 86_400, HOME)),
        );
    }
}

#[test]
fn networks_that_scan_count_by_how_sure_that_is() {
    let at = |kind, seconds, address| (kind, WINDOWS.to_owned(), seconds, address);
    for kind in [HitKind::Open, HitKind::Click] {
        are(
            Class::Bot,
            &[
                at(kind, 86_400, "104.47.17.126"),
                at(kind, 86_400, "40.92.75.34"),
                at(kind, 86_400, "52.101.8.12"),
                at(kind, 86_400, "2a01:111:f403:200a::620"),
                at(kind, 86_400, "35.176.92.100"),
                at(kind, 599, "205.220.165.32"),
                at(kind, 599, "148.163.135.28"),
                at(kind, 599, "195.130.217.221"),
                at(kind, 599, "68.232.140.79"),
                at(kind, 599, "40.94.20.40"),
                at(kind, 599, "40.94.103.7"),
                at(kind, 599, "::ffff:40.94.103.7"),
            ],
        );
        are(
            Class::Human,
            &[
                at(kind, 600, "205.220.165.32"),
                at(kind, 601, "40.94.20.40"),
                at(kind, 600, "40.96.12.1"),
                at(kind, 600, "52.96.88.5"),
                at(kind, 600, "13.107.6.152"),
                at(kind, 600, "8.8.8.8"),
            ],
        );
    }
}
