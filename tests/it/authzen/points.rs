//! Every point of the Authorization API 1.0 and of its certification scenario, with the tests that hold it.
//!
//! The sections are those of the specification; `C` is the certification, `T` what a Cedar implementation may stumble over.

use crate::support::repo;
use std::{collections::BTreeSet, fs};

const TRANSPORT: &str = "tests/it/authzen/transport.rs";
const BATCH: &str = "tests/it/authzen/batch.rs";
const METADATA: &str = "tests/it/authzen/metadata.rs";
const TRAPS: &str = "tests/it/authzen/traps.rs";
const CLIENT: &str = "tests/it/authzen/client.rs";
const SCENARIOS: &str = "tests/it/authzen.rs";
const SEARCH: &str = "tests/it/search.rs";
const LIMITS: &str = "tests/it/http_limits.rs";
const FORM: &str = "src/http/authzen/tests.rs";

/// Section, point, and the tests, each with its file.
type Point = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const POINTS: &[Point] = &[
    // Transport.
    ("10", "HTTPS and JSON", &[(CLIENT, "a_client_that_nobody_here_wrote_discovers_asks_and_searches_over_tls")]),
    (
        "10",
        "a certificate that is not known ends it",
        &[(CLIENT, "that_client_does_not_talk_to_a_server_whose_certificate_it_does_not_know")],
    ),
    (
        "10.1",
        "POST only; 405 with `Allow` otherwise",
        &[(TRANSPORT, "other_methods_are_405_with_those_that_the_path_has")],
    ),
    ("10.1", "the default paths, to the letter", &[(TRANSPORT, "paths_are_what_they_are_to_the_letter")]),
    (
        "10.1",
        "`application/json` with any parameters; another is 400",
        &[(TRANSPORT, "a_content_type_may_have_parameters_and_any_other_is_400")],
    ),
    ("10.1", "success is 200 with a JSON object", &[(TRANSPORT, "every_call_is_answered_with_200_and_a_json_object")]),
    (
        "10.1",
        "unknown members are ignored anywhere",
        &[(TRANSPORT, "members_that_nobody_knows_are_ignored_wherever_they_stand")],
    ),
    ("10.1", "the order of members does not matter", &[(TRANSPORT, "the_order_of_members_does_not_matter")]),
    ("10.1", "I-JSON: UTF-8, surrogates in pairs, doubles, unique names", &[(TRANSPORT, "bodies_are_i_json")]),
    ("10.1", "null is absent", &[(TRANSPORT, "an_optional_member_that_is_null_is_absent")]),
    ("10.1.2", "a deny is 200", &[(TRANSPORT, "every_call_is_answered_with_200_and_a_json_object")]),
    (
        "10.1.2",
        "400 for what is missing, of the wrong type, no JSON, empty, no object",
        &[(TRANSPORT, "what_is_missing_or_of_the_wrong_type_is_400")],
    ),
    (
        "10.1.2",
        "500 is an answer too",
        &[("src/http/authorize_listener/tests.rs", "a_panic_becomes_an_answer_and_disturbs_nothing_else")],
    ),
    (
        "10.1.2",
        "errors have one form",
        &[(LIMITS, "what_is_wrong_with_a_request_is_answered_with_the_contracts_error")],
    ),
    (
        "10.1.3",
        "`X-Request-ID` on every path, errors and metadata included",
        &[
            (TRANSPORT, "the_id_of_a_request_comes_back_on_every_path_whatever_becomes_of_it"),
            (LIMITS, "a_request_id_comes_back_as_it_was_whatever_it_was"),
        ],
    ),
    (
        "11.3",
        "401 with `WWW-Authenticate`, 403 beyond what a caller may ask",
        &[(TRANSPORT, "who_does_not_show_who_it_is_is_401_with_the_way_to_do_so")],
    ),
    (
        "11.3",
        "an authorization that nobody asked for does not matter",
        &[(TRANSPORT, "an_authorization_that_nobody_asked_for_does_not_matter")],
    ),
    ("11.7", "long and deep bodies", &[(TRANSPORT, "what_is_too_large_or_too_deep_is_refused")]),
    (
        "11.7",
        "floods and slow clients",
        &[
            (
                "src/http/authorize_listener/tests.rs",
                "requests_beyond_the_limit_are_refused_and_the_connection_goes_on",
            ),
            (LIMITS, "a_crowd_of_silent_connections_disturbs_nobody"),
            (LIMITS, "who_falls_silent_is_cut_off"),
        ],
    ),
    ("11.7", "a long batch lets others through", &[(FORM, "a_long_batch_gives_others_their_turn")]),
    // Information model.
    (
        "5",
        "types, ids and names are required, properties and context are not",
        &[(TRANSPORT, "what_is_missing_or_of_the_wrong_type_is_400")],
    ),
    ("5", "properties and context take any JSON", &[(TRANSPORT, "properties_and_context_take_any_json")]),
    ("5", "nothing of an earlier draft", &[(TRAPS, "payloads_of_drafts_are_not_taken_for_questions")]),
    // Access Evaluation.
    ("6", "the todo scenario", &[(SCENARIOS, "the_todo_scenario_is_answered_as_its_vectors_say")]),
    ("6", "the API gateway scenario", &[(SCENARIOS, "the_api_gateway_scenario_is_answered_as_its_vectors_say")]),
    (
        "6",
        "reason, revision and id in the context",
        &[(FORM, "an_evaluation_is_answered_with_its_reason_in_the_context")],
    ),
    // Access Evaluations.
    ("7.1", "no items: a single evaluation", &[(BATCH, "without_items_a_batch_is_a_single_evaluation")]),
    (
        "7.1.1",
        "whole members are inherited",
        &[(BATCH, "an_item_takes_what_it_lacks_from_the_top_as_a_whole"), (BATCH, "a_context_is_replaced_as_a_whole")],
    ),
    (
        "7.1.1",
        "defaults are looked at where they are needed",
        &[(BATCH, "a_default_that_no_item_needs_may_be_anything")],
    ),
    (
        "7.1.2",
        "the three semantics, with an answer that ends where they stop",
        &[(BATCH, "each_semantic_stops_where_it_says_and_the_answer_ends_there")],
    ),
    (
        "7.1.2",
        "an unknown semantic is 400, other options are ignored",
        &[(BATCH, "each_semantic_stops_where_it_says_and_the_answer_ends_there")],
    ),
    (
        "7.2",
        "items are independent and in order, and decide as single calls do",
        &[(BATCH, "a_batch_decides_and_records_as_single_calls_do")],
    ),
    (
        "7.2",
        "items are a decision and nothing else, unless reasons are asked for",
        &[(BATCH, "reasons_of_batch_items_are_given_to_those_who_ask_for_them")],
    ),
    (
        "7.2.1",
        "a fault of an item is its own",
        &[(BATCH, "a_fault_of_an_item_is_false_within_200_and_touches_no_other")],
    ),
    (
        "7.2.1",
        "a fault of the whole is the status's",
        &[(BATCH, "a_fault_of_an_item_is_false_within_200_and_touches_no_other")],
    ),
    (
        "7",
        "a thousand items, and a limit that is named",
        &[(BATCH, "a_batch_of_a_thousand_is_taken_and_one_more_item_is_refused_with_the_setting")],
    ),
    // Search.
    ("8", "the vectors of the three searches", &[(SEARCH, "the_search_vectors_are_answered_as_they_say")]),
    (
        "8",
        "identity is required but for what is looked for",
        &[(SEARCH, "what_nobody_knows_gives_no_results_and_what_is_missing_is_400")],
    ),
    (
        "8",
        "an id of what is looked for, and a stray action, are ignored",
        &[(SEARCH, "what_nobody_knows_gives_no_results_and_what_is_missing_is_400")],
    ),
    (
        "8",
        "results evaluate to true, others to false",
        &[
            (SEARCH, "every_result_evaluates_to_true_and_what_is_left_out_to_false"),
            (TRAPS, "a_search_sees_the_properties_that_an_evaluation_sees"),
        ],
    ),
    (
        "8.2",
        "pages: token, limit, count, the end",
        &[(SEARCH, "pages_together_are_the_whole_and_each_token_leads_on_in_its_own_search_only")],
    ),
    (
        "8.2",
        "a token of another request is 400",
        &[(SEARCH, "pages_together_are_the_whole_and_each_token_leads_on_in_its_own_search_only")],
    ),
    ("8.2", "what `page` may be", &[(SEARCH, "what_a_request_says_of_pages_is_checked")]),
    // Metadata.
    (
        "9.1",
        "identifier and endpoints, https, nothing without a value",
        &[(METADATA, "the_metadata_names_every_endpoint_under_the_configured_address")],
    ),
    (
        "9.1",
        "an address that cannot be named stops the start",
        &[(METADATA, "an_address_that_is_not_https_stops_the_start")],
    ),
    (
        "9.2",
        "the well-known segment goes between host and path; tenants",
        &[
            (METADATA, "the_metadata_names_every_endpoint_under_the_configured_address"),
            (METADATA, "a_tenant_has_an_identifier_of_its_own_that_decides_in_that_tenant"),
            (METADATA, "a_set_without_tenants_has_no_addresses_of_tenants"),
        ],
    ),
    (
        "9.2",
        "the configured address and nothing that a request says",
        &[(METADATA, "nothing_that_a_request_says_changes_the_metadata")],
    ),
    ("9.2", "it changes with the configuration", &[(METADATA, "the_public_address_changes_while_the_process_runs")]),
    ("9.2", "404 where no address is configured", &[(METADATA, "without_a_public_address_there_is_no_metadata")]),
    (
        "9.2",
        "a client refuses the metadata of others",
        &[(CLIENT, "that_client_refuses_metadata_of_another_identifier")],
    ),
    // Certification.
    ("C", "the fixture's rules, core and properties", &[(SCENARIOS, "the_rules_of_the_certification_fixture_hold")]),
    (
        "C",
        "the same question has the same answer, batches and searches to the letter",
        &[(TRANSPORT, "the_same_question_has_the_same_answer")],
    ),
    (
        "C",
        "unknown ids, types and actions: false, or no results, never 400",
        &[(TRAPS, "unknown_ids_types_and_actions_are_denied_and_find_nothing")],
    ),
    ("C", "additional properties", &[(TRAPS, "undeclared_properties_are_accepted")]),
    (
        "C",
        "an item without a subject anywhere is false within 200",
        &[(BATCH, "a_fault_of_an_item_is_false_within_200_and_touches_no_other")],
    ),
    // Cedar.
    (
        "T",
        "types that are no names of Cedar",
        &[(TRAPS, "types_that_are_no_names_of_cedar_are_denied_and_find_nothing")],
    ),
    (
        "T",
        "an overlay keeps attributes and parents",
        &[(TRAPS, "properties_of_a_request_lie_over_stored_ones_and_parents_stay")],
    ),
    ("T", "values that policies cannot hold", &[(TRAPS, "what_policies_have_no_value_for_fails_closed_and_says_so")]),
    (
        "T",
        "policies that err",
        &[(TRAPS, "a_forbid_that_cannot_be_evaluated_denies_unless_the_operator_says_otherwise")],
    ),
    (
        "T",
        "properties of the action cannot be forged",
        &[(TRAPS, "a_context_cannot_pass_for_the_properties_of_the_action")],
    ),
    ("T", "subjects of another type than users", &[(TRAPS, "in_a_set_with_users_a_subject_of_another_type_is_nobody")]),
];

#[test]
fn every_point_of_the_specification_names_tests_that_exist() {
    let mut wrong = Vec::new();
    for (section, point, tests) in POINTS {
        if tests.is_empty() {
            wrong.push(format!("{section} {point}: no test"));
        }
        for (file, test) in *tests {
            let text = fs::read_to_string(repo(file)).unwrap_or_default();
            if !text.contains(&format!("#[test]\nfn {test}()")) {
                wrong.push(format!("{section} {point}: there is no `{test}` in {file}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_test_of_authzen_stands_for_a_point() {
    let named: BTreeSet<&str> = POINTS.iter().flat_map(|(_, _, tests)| tests.iter().map(|(_, test)| *test)).collect();
    let mut unnamed = Vec::new();
    for file in [TRANSPORT, BATCH, METADATA, TRAPS, CLIENT, SCENARIOS] {
        let text = fs::read_to_string(repo(file)).expect("a file of tests");
        for test in text.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next()) {
            if !named.contains(test) {
                unnamed.push(format!("{file}::{test}"));
            }
        }
    }
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}
