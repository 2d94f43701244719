use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn empty(_: &str) -> Option<String> {
    None
}

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::from_yaml("my.yaml", text, &empty)
}

/// The one problem of a text, as it is printed.
fn problem(text: &str) -> String {
    let error = read(text).expect_err(text);
    assert_eq!(error.problems().len(), 1, "{error}");
    error.problems()[0].to_string()
}

/// The dotted keys of the tree's leaves; items of lists share one name.
fn leaves(node: &Node, key: &str, found: &mut BTreeSet<String>) {
    match &node.value {
        tree::Value::Map(entries) => {
            for entry in entries {
                leaves(&entry.value, &read::join(key, &entry.key), found);
            }
        }
        tree::Value::List(items) if !items.is_empty() => {
            items.iter().for_each(|item| leaves(item, &format!("{key}[]"), found));
        }
        _ => drop(found.insert(key.to_owned())),
    }
}

fn json_leaves(value: &serde_json::Value, key: &str, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (name, value) in map {
                json_leaves(value, &read::join(key, name), found);
            }
        }
        serde_json::Value::Array(items) if !items.is_empty() => {
            items.iter().for_each(|item| json_leaves(item, &format!("{key}[]"), found));
        }
        _ => drop(found.insert(key.to_owned())),
    }
}

fn order(config: &Config) -> Vec<StrategyType> {
    config.generator.strategies().iter().map(|strategy| strategy.r#type).collect()
}

#[test]
fn the_defaults_hold_every_key_and_no_other() {
    let config = Config::built_in().unwrap();
    let (mut written, mut typed) = (BTreeSet::new(), BTreeSet::new());
    leaves(&Config::default_tree().unwrap(), "", &mut written);
    json_leaves(&serde_json::to_value(&config).unwrap(), "", &mut typed);
    assert_eq!(written, typed);
    assert!(written.len() > 40, "{written:?}");
}

#[test]
fn every_default_is_explained() {
    let lines: Vec<&str> = DEFAULTS.lines().map(str::trim).collect();
    for (index, line) in lines.iter().enumerate().skip(1) {
        // Items of a list are explained above the list.
        let is_key = !line.is_empty() && !line.starts_with(['#', '-']);
        let in_item = ["priority:", "weight:"].iter().any(|key| line.starts_with(key));
        if is_key && !in_item {
            assert!(lines[index - 1].starts_with('#'), "line {}: no comment above `{line}`", index + 1);
        }
    }
}

#[test]
fn an_empty_file_is_the_defaults() {
    let defaults = Config::built_in().unwrap();
    for text in ["", "# nothing\n", "---\n", "collector:\nanalyzer: ~\n", "{}"] {
        assert_eq!(read(text).expect(text), defaults, "{text:?}");
    }
}

#[test]
fn a_file_is_merged_over_the_defaults() {
    let config =
        read("generator:\n  timeout: 1h30m\n  fix_strategies: [{type: rule, priority: 7}]\n").unwrap();
    let defaults = Config::built_in().unwrap();
    assert_eq!(config.generator.timeout.get().as_secs(), 5_400);
    assert_eq!(order(&config), [StrategyType::Rule]);
    assert_eq!(config.generator.ai_model, defaults.generator.ai_model);
    assert_eq!(config.validator.step_timeout, None, "it follows generator.timeout");
    assert_eq!(config.sandbox, defaults.sandbox);
}

#[test]
fn the_original_projects_example_loads() {
    let text = include_str!("../../tests/config/original.yaml");
    let config = Config::from_yaml("original.yaml", text, &empty).unwrap();
    let with_key = |name: &str| (name == "HEPHAESTUS_AI_KEY").then(|| "sk-test".to_owned());
    assert_eq!(config.generator.ai_model.api_key, None, "an unset key is absent");
    assert_eq!(order(&config), [StrategyType::Rule, StrategyType::Model]);
    assert_eq!(config.knowledge.retention_period.get().as_secs(), 90 * 86_400);
    let shown = serde_json::to_value(&config).unwrap();
    assert_eq!(shown["collector"]["log_paths"], json!(["/var/log/shop/*.log", "./logs/*.log"]));
    assert_eq!(shown["analyzer"]["error_patterns"][1], json!({"pattern": "ERROR:", "severity": "high"}));
    assert_eq!(shown["generator"]["ai_model"]["temperature"], json!(0.7));
    assert_eq!(shown["deployment"]["sandbox_timeout"], json!("30s"));

    let config = Config::from_yaml("original.yaml", text, &with_key).unwrap();
    assert_eq!(config.generator.ai_model.api_key.as_ref().map(Secret::expose), Some("sk-test"));
    let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
    assert!(!shown.contains("sk-test"), "{shown}");
}

#[test]
fn what_is_shown_can_be_read_again() {
    let config = read(include_str!("../../tests/config/original.yaml")).unwrap();
    let shown = serde_saphyr::to_string(&config).unwrap();
    assert_eq!(read(&shown).unwrap(), config, "{shown}");
}

#[test]
fn a_mistake_names_file_line_column_key_and_remedy() {
    assert_eq!(
        problem("generator:\n  max_fix_atempts: 3\n"),
        "my.yaml:2:3: generator.max_fix_atempts: unknown key\n    try: did you mean `max_fix_attempts`?"
    );
    assert_eq!(
        problem("analyzer:\n  error_patterns:\n    - {pattern: \"x\", severity: sever}\n"),
        "my.yaml:3:32: analyzer.error_patterns[0].severity: `sever`: not a known name\n    \
         try: use one of: low, medium, high, critical"
    );
    assert_eq!(
        problem("validator:\n  reproducer_runs: 0\n"),
        "my.yaml:2:20: validator.reproducer_runs: out of range\n    try: use a value from 1 to 100"
    );
}

#[test]
fn each_kind_of_bad_input_is_told() {
    for (text, key, part) in [
        ("collektor: {}", "collektor", "did you mean `collector`?"),
        ("zzz: 1", "zzz", "known here: state_dir, service_name"),
        ("collector: 5", "collector", "expected a section"),
        ("collector: {log_paths: a.log}", "collector.log_paths", "expected a list"),
        ("collector: {log_paths: ['[']}", "collector.log_paths[0]", "not a glob"),
        ("collector: {polling_interval: 5}", "collector.polling_interval", "5s, 1h30m, 90d"),
        ("collector: {polling_interval: 0s}", "collector.polling_interval", "longer than nothing"),
        ("collector: {polling_interval: 2d}", "collector.polling_interval", "from 100ms to 1d"),
        ("collector: {polling_interval: ~}", "collector.polling_interval", "has no value"),
        ("collector: {polling_interval: [1s]}", "collector.polling_interval", "expected one value"),
        ("analyzer: {error_patterns: [{pattern: x}]}", "analyzer.error_patterns[0].severity", "missing key"),
        ("analyzer: {error_patterns: [x]}", "analyzer.error_patterns[0]", "expected a section"),
        (
            "analyzer: {error_patterns: [{pattern: '(', severity: low}]}",
            "analyzer.error_patterns[0].pattern",
            "unclosed group",
        ),
        ("analyzer: {max_line_bytes: 5 miles}", "analyzer.max_line_bytes", "not a unit of size"),
        ("generator: {ai_model: {provider: openai}}", "generator.ai_model.model", "no model"),
        ("generator: {ai_model: {temperature: 3}}", "generator.ai_model.temperature", "from 0 to 2"),
        ("generator: {ai_model: {api_key: 'a b'}}", "generator.ai_model.api_key", "white space"),
        ("generator: {fix_strategies: []}", "generator.fix_strategies", "no fix could ever be found"),
        ("bus: {kind: kafka}", "bus.kafka.brokers", "no broker is named"),
        ("bus: {kafka: {brokers: 'a:1'}}", "bus.kafka.brokers", "expected a list"),
        ("bus: {kafka: {sasl: {username: me}}}", "bus.kafka.sasl.mechanism", "belong together"),
        ("bus: {kafka: {sasl: {mechanism: GSSAPI}}}", "bus.kafka.sasl.mechanism", "SCRAM-SHA-512"),
        (
            "bus: {kafka: {tls: {enabled: true, key_file: k}}}",
            "bus.kafka.tls.certificate_file",
            "one is missing",
        ),
        ("bus: {kafka: {tls: {ca_file: ca.pem}}}", "bus.kafka.tls.enabled", "not enabled"),
        ("bus: {kafka: {properties: {acks: 1}}}", "bus.kafka.properties.acks", "all replicas in sync"),
        ("bus: {kafka: {properties: {a.b: 1}}}", "bus.kafka.properties.a.b", "no such property"),
        ("bus: {kafka: {properties: 5}}", "bus.kafka.properties", "expected a section"),
        ("deployment: {auto_deploy: yes}", "deployment.auto_deploy", "true or false"),
        ("server: {listen: localhost}", "server.listen", "127.0.0.1:8080"),
        ("sandbox: {tier: none}", "sandbox.tier", "auto, landlock, bubblewrap"),
        ("state_dir: ''", "state_dir", "not a path"),
        ("state_dir: ${NOPE}", "state_dir", "`NOPE` is not set"),
        ("state_dir: ${NOPE", "state_dir", "not a proper variable"),
        ("- a", "", "expected a section"),
        ("a: [", "", "not valid YAML"),
        ("a: 1\na: 2", "", "not valid YAML"),
        ("a: 1\n---\nb: 2", "", "not valid YAML"),
        ("a:\n\tb: 1", "", "not valid YAML"),
        ("generator: {ai_model: {api_key: ${KEY}}}", "", "put quotes around"),
        ("? {a: b}\n: c", "", "not valid YAML"),
        ("a: *nothing", "", "not valid YAML"),
    ] {
        let error = read(text).expect_err(text);
        let [problem] = error.problems() else { panic!("{text}: {error}") };
        assert_eq!(problem.key, key, "{text}: {problem}");
        assert!(problem.to_string().contains(part), "{text}: {problem}");
        assert!(problem.line > 0 && problem.column > 0 && !problem.remedy.is_empty(), "{text}: {problem}");
    }
}

#[test]
fn properties_are_read_as_they_are_and_blamed_where_they_stand() {
    let config = read("bus:\n  kafka:\n    properties:\n      socket.timeout.ms: 5000\n").unwrap();
    assert_eq!(config.bus.kafka.properties["socket.timeout.ms"], "5000");
    let told =
        problem("bus:\n  kafka:\n    properties:\n      client.rack: a\n      socket.timeout.ms: soon\n");
    let expected = "my.yaml:5:26: bus.kafka.properties.socket.timeout.ms: librdkafka refuses the value\n";
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn every_mistake_is_told_in_the_order_of_the_file() {
    let error = read(
        "deployment: {auto_deploy: maybe}\nanalyzer:\n  context_lines: many\n  contxt_lines: 4\n\
         generator:\n  timeout: soon\n  fix_strategies: [{type: magic, priority: -1}]\n",
    )
    .unwrap_err();
    let keys: Vec<&str> = error.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "deployment.auto_deploy",
            "analyzer.context_lines",
            "analyzer.contxt_lines",
            "generator.timeout",
            "generator.fix_strategies[0].type",
            "generator.fix_strategies[0].priority",
        ]
    );
}

#[test]
fn variables_reach_typed_values_and_are_never_printed() {
    let environment = |name: &str| match name {
        "RUNS" => Some("5".to_owned()),
        "TOKEN" => Some("hunter2".to_owned()),
        "HEPHAESTUS_STATE_DIR" => Some("/srv/state".to_owned()),
        _ => None,
    };
    let read = |text: &str| Config::from_yaml("my.yaml", text, &environment);
    let config = read("validator: {reproducer_runs: \"${RUNS}\"}").unwrap();
    assert_eq!(config.validator.reproducer_runs, 5);
    assert_eq!(config.state_dir, Path::new("/srv/state"));
    let config = read("validator:\n  reproducer_runs: ${NOPE:-4}\n").unwrap();
    assert_eq!(config.validator.reproducer_runs, 4);
    for text in ["validator: {reproducer_runs: \"${TOKEN}\"}", "collector: {polling_interval: \"${TOKEN}\"}"]
    {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains("${TOKEN}") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn scalars_keep_the_text_of_the_file() {
    let config = read("generator: {ai_model: {provider: openai, model: 1.10}}\n").unwrap();
    assert_eq!(config.generator.ai_model.model.as_deref(), Some("1.10"));
    let config = read("collector: {buffer_size: &n 12}\nanalyzer: {context_lines: *n}\n").unwrap();
    assert_eq!((config.collector.buffer_size, config.analyzer.context_lines), (12, 12));
}

#[test]
fn a_missing_named_file_is_an_error() {
    let error = Loaded::load(Some(Path::new("/nonexistent/my.yaml")), &empty).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/my.yaml: cannot be read"), "{error}");
}

#[test]
fn hostile_files_are_refused_soon() {
    let begun = std::time::Instant::now();
    let bomb = (1..9).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        let below = level - 1;
        let aliases = vec![format!("*a{below}"); 9].join(", ");
        format!("{text}a{level}: &a{level} [{aliases}]\n")
    });
    let chain = (1..60).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        format!("{text}a{level}: &a{level} [*a{}]\n", level - 1)
    });
    let deep_map: String = (0..2_000).map(|depth| format!("{}k:\n", " ".repeat(depth))).collect();
    for text in ["[".repeat(500_000), "- ".repeat(200_000), "{a: ".repeat(100_000), deep_map, bomb, chain] {
        assert!(read(&text).is_err());
    }
    let tagged = "generator: {ai_model: {api_key: !!binary aGk=, model: !wanted x}}\n[a]: b";
    assert!(read(tagged).is_err());
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[ -~\n]{0,200}") {
        drop(read(&text));
    }
}
