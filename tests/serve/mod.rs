//! The served pages: what they show of runs that go on, have ended or were killed, and whom they let in.

mod client;

use std::process::Child;

use client::Served;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::TestSpace;
use crate::support::browser::{Browser, is_sound};

/// A search of a moment and a report on it.
const STUDY: &str = r#"
name: study
stages:
  search:
    use: search
    with:
      space: { kind: chain }
      strategy: random
      evaluator: mock
      image: { side: 32, classes: 10 }
      budget: { trials: 60 }
  report: { use: report, inputs: { trials: search }, with: { title: "<b>Which</b> & why?" } }
"#;

/// A stage that goes on until a file appears, and says things that no page may obey.
const SLOW: &str = r#"
name: slow
stages:
  first: { use: command, with: { run: "echo one > out", outputs: [out] } }
  wait:
    use: command
    inputs: { x: first }
    with:
      run: |
        echo "<script>document.title = 'stolen'</script>"
        printf '\033[31mred\033[0m\n'
        while [ ! -e "$GATE" ]; do sleep 0.05; done
        echo the end
        echo two > out
      env: { GATE: "GATE_FILE" }
      outputs: [out]
"#;

fn slow() -> TestSpace {
    let space = TestSpace::new();
    let gate = space.path("gate").display().to_string();
    space.pipeline(&SLOW.replace("GATE_FILE", &gate))
}

/// The id of the only run.
fn only_run(space: &TestSpace) -> String {
    let entries = std::fs::read_dir(space.path(".phytotron/runs")).unwrap().flatten();
    let mut folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.next().unwrap().file_name().to_string_lossy().into_owned()
}

/// Starts the slow pipeline and waits until it waits.
fn started(space: &TestSpace) -> Child {
    let child = space.start(&[]);
    space.wait_for_words(".phytotron/runs", "</script>", 1);
    child
}

#[test]
fn runs_are_listed_with_their_reports_and_each_has_a_page() {
    let space = TestSpace::new().pipeline(STUDY);
    let served = Served::start(&space);
    assert!(served.page("/").contains("No runs yet"));
    space.run(&[]).success();
    space.run(&[]).success();
    let list = served.page("/");
    assert_eq!(list.matches("class=\"state done\"").count(), 2, "{list}");
    assert!(list.contains("/reports/study/report"), "{list}");
    let run = only_run(&space);
    let page = served.page(&format!("/runs/{run}"));
    for words in ["2 of 2", "60 of 60 trials", "class=\"box done\"", "<svg"] {
        assert!(page.contains(words), "`{words}` is not in {page}");
    }
    assert!(!page.contains("live.js"), "nothing changes any more");
    // The run that found everything known says whose results these are.
    let index = space.read(".phytotron/runs/index.jsonl");
    let known: Value = serde_json::from_str(index.lines().last().unwrap()).unwrap();
    let page = served.page(&format!("/runs/{}", known["run"].as_str().unwrap()));
    assert!(page.contains(&format!("/runs/{run}")) && page.contains("Everything was known"));
}

#[test]
fn reports_open_in_an_origin_of_their_own() {
    let space = TestSpace::new().pipeline(STUDY);
    space.run(&[]).success();
    let served = Served::start(&space);
    let answer = served.get("/reports/study/report");
    assert!(answer.text.contains("&lt;b&gt;Which&lt;/b&gt;"), "{:.2000}", answer.text);
    let policy = answer.headers.iter().find(|(name, _)| name == "content-security-policy");
    let policy = &policy.unwrap().1;
    assert!(policy.starts_with("sandbox allow-scripts;") && policy.contains("default-src 'none'"));
}

#[test]
fn a_run_is_watched_while_it_goes_on_and_to_its_end() {
    let space = slow();
    let served = Served::start(&space);
    let child = started(&space);
    let run = only_run(&space);
    assert!(served.page("/").contains("class=\"state running\""));
    let page = served.page(&format!("/runs/{run}"));
    assert!(page.contains("/live.js") && page.contains("1 of 2"), "{page}");
    let (mut before, mut after, mut is_over) = (false, false, false);
    served.watch(&format!("/runs/{run}/events"), |event, data| {
        if event == "end" {
            is_over = true;
            return true;
        }
        let parts: Value = serde_json::from_str(data).unwrap();
        let status = parts["status"].as_str().unwrap_or_default();
        if status.contains("state running") && !before {
            before = true;
            assert!(parts["graph"].as_str().unwrap().contains("class=\"box running\""));
            space.write("gate", "");
        }
        after |= status.contains("state done") && status.contains("2 of 2");
        false
    });
    assert!(before && after && is_over, "{before} {after} {is_over}");
    space.finish(child).success();
}

#[test]
fn a_log_is_followed_and_its_words_are_only_words() {
    let space = slow();
    let served = Served::start(&space);
    let child = started(&space);
    let log = format!("/runs/{}/log/wait", only_run(&space));
    let page = served.page(&log);
    assert!(page.contains("&lt;script&gt;document.title"), "{page}");
    assert!(!page.contains("<script>document") && !page.contains('\u{1b}'));
    let mut text = String::new();
    served.watch(&format!("{log}/events"), |event, data| {
        match event {
            "parts" => space.write("gate", ""),
            "more" => text.push_str(&serde_json::from_str::<String>(data).unwrap()),
            other => panic!("{other}"),
        }
        text.contains("the end")
    });
    assert_eq!(text, "the end\n", "what the first event had does not come again");
    space.finish(child).success();
    assert!(served.page(&log).contains("red\nthe end\n"));
}

#[test]
fn a_killed_run_is_shown_as_killed() {
    let space = slow();
    let served = Served::start(&space);
    let mut child = started(&space);
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    assert!(served.page("/").contains("killed"));
    let page = served.page(&format!("/runs/{}", only_run(&space)));
    for words in ["killed", "its process ended without a word", "class=\"box stopped\""] {
        assert!(page.contains(words), "`{words}` is not in {page}");
    }
}

#[test]
fn nobody_gets_in_without_the_key_and_nothing_can_be_written() {
    let space = slow();
    let served = Served::start(&space);
    for path in ["/", "/style.css", "/runs/x", "/?token=0123", "/?token="] {
        let answer = served.ask("GET", path, &[]);
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text.contains("phytotron serve"), "{}", answer.text);
    }
    let key = format!("/{}", served.token);
    assert_eq!(served.ask("GET", &key, &[("host", "evil.example")]).status, 421);
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(served.ask(method, &key, &[]).status, 405, "{method}");
    }
    let page = served.get("/");
    let header =
        |name: &str| page.headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert!(header("content-security-policy").contains("script-src 'self'"));
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cache-control"), "no-store");
}

#[test]
fn no_address_leads_out_of_runs_and_reports() {
    let space = TestSpace::new().pipeline(STUDY).file("out/study/secret.txt", "not for you");
    space.run(&[]).success();
    space.write("out.html", "not for you");
    let served = Served::start(&space);
    let run = only_run(&space);
    for path in [
        "/runs/index.jsonl".to_owned(),
        format!("/runs/{run}/log/..%2frun"),
        format!("/runs/{run}/log/..%2f..%2f..%2f..%2fpipeline"),
        format!("/runs/{}/events", &run[..4]),
        "/reports/..%2fout/study".to_owned(),
        "/reports/study/..%2f..%2fout".to_owned(),
        "/reports/study/secret.txt".to_owned(),
        "/reports/study/%2fetc%2fpasswd".to_owned(),
        "/reports/study/report%00".to_owned(),
        "/nothing".to_owned(),
    ] {
        let answer = served.get(&path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
        assert!(!answer.text.contains("not for you"), "{path}");
    }
}

#[test]
fn pages_fit_and_are_sound_at_every_width() {
    let Some(browser) = Browser::find() else { return };
    let space = TestSpace::new().pipeline(STUDY);
    space.run(&[]).success();
    let served = Served::start(&space);
    let style = served.page("/style.css");
    for path in ["/".to_owned(), format!("/runs/{}", only_run(&space))] {
        let link = "<link rel=\"stylesheet\" href=\"/style.css\">";
        let page = served.page(&path).replace(link, &format!("<style>{style}</style>"));
        let page = page.replace("<script src=\"/live.js\"></script>", "");
        for width in [400, 900, 1600] {
            is_sound(&browser.try_out(&page, width));
        }
    }
}

#[test]
fn a_page_in_a_browser_changes_as_the_run_goes_on() {
    let Some(browser) = Browser::find() else { return };
    let space = slow();
    let served = Served::start(&space);
    let child = started(&space);
    let url = format!("{}/runs/{}{}", served.base, only_run(&space), served.token);
    let page = std::thread::scope(|scope| {
        let page = scope.spawn(|| browser.visit(&url));
        std::thread::sleep(std::time::Duration::from_secs(2));
        space.write("gate", "");
        page.join().unwrap()
    });
    space.finish(child).success();
    assert!(page.contains("class=\"state done\"") && page.contains("2 of 2"), "{page}");
    assert!(page.contains("id=\"connection\"") && !page.contains("does not answer"));
}
