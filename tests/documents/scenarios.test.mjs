// docs/delivery-scenarios.md: every scenario is there, proven by tests that exist or refused with a reason.
import test from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inventory, testProblem } from '../../scripts/lib/manifest.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const scenarios = {
  'worker': `test_no_redirects_policy test_endpoint_disable_on_repeated_failure test_endpoint_disable_expiration_duration
    test_endpoint_disable_on_sporadic_failure`,
  'e2e_endpoint': `test_create test_patch test_crud test_list test_endpoint_list_ordering test_uid
    test_endpoint_secret_get_and_rotation test_recovery_should_fail_if_start_time_too_old
    test_recovery_expected_retry_counts test_endpoint_rotate_max test_endpoint_rotate_signing_e2e
    test_endpoint_rotate_signing_symmetric_and_asymmetric test_endpoint_secret_config test_custom_endpoint_secret
    test_endpoint_secret_encryption test_invalid_endpoint_secret test_endpoint_stats test_legacy_endpoint_secret
    test_endpoint_secret_encryption_in_database test_endpoint_filter_events test_endpoint_filter_channels
    test_rate_limit test_msg_event_types_filter test_msg_channels_filter test_endpoint_headers_manipulation
    test_endpoint_headers_sending test_endpoint_header_key_capitalization test_endpoint_https_only
    test_send_example`,
  'e2e_attempt': `test_expunge_attempt_response_body test_list_attempted_messages test_list_attempted_messages_failed
    test_list_attempted_messages_sending test_list_attempted_messages_success_are_not_sending
    test_list_attempted_destinations test_list_attempts_by_endpoint test_message_attempts
    test_message_attempts_empty_retry_schedule test_combined_before_after_filtering test_pagination_by_endpoint
    test_pagination_by_msg test_pagination_forward_and_back`,
  'e2e_message': `test_message_create_read_list test_message_create_read_list_with_content test_failed_message_gets_recorded
    test_multiple_endpoints test_failed_message_gets_requeued test_payload_retention_period
    test_payload_retention_period_messagecontent test_expunge_message_payload test_message_conflict
    test_message_validation test_raw_payload test_create_message_with_application`,
  'e2e_application (our organizations)': `test_patch test_crud test_list test_uid test_uid_across_users test_get_or_create test_idempotency`,
  'e2e_auth': `test_restricted_application_access test_dashboard_access_without_body test_invalid_auth_error_detail
    test_app_portal_access_with_application`,
  'e2e_operational_webhooks': `test_endpoint_create_update_and_delete test_message_attempt_operational_webhooks
    test_operational_webhooks_event_types_exist`,
  'e2e_event_type': `test_patch test_event_type_create_read_list test_event_type_feature_flags test_list test_schema`,
  'e2e_health': `ping_with_trailing_slash ping_without_trailing_slash`,
  'redis_queue, message_app, db': `test_many_queue_consumers test_many_queue_consumers_delayed test_redis_streams_dlq test_app_deletion
    test_endp_deletion test_wiping_organization test_prune_deletes_old_keeps_new
    test_prune_with_nothing_old_is_noop`,
  'e2e_proxy, integ_webhook_http_client': `test_message_delivery_via_socks5 test_message_delivery_via_http_proxy test_http_proxy_exceptions
    test_socks5_proxy_exceptions test_client_basic_operation test_filtering`,
  'background_migrations': `test_fresh_apply_succeeds test_apply_is_idempotent test_cleanup_runs_on_retry test_failed_sql_records_error
    test_failed_cleanup_records_error test_revert_succeeds test_empty_revert_sql_deletes_row
    test_revert_unapplied_migration_errors test_concurrent_apply test_revert_failed_migration_errors
    test_failure_stops_subsequent_migrations test_revert_non_latest_errors`,
  'unit': `is_allowed_test test_blocked_ip test_url_does_not_parse_some_edge_cases test_tls_verification_disable
    test_generate_msg_headers_with_signing_key test_asymmetric_key_signing test_retry_after`
}

const known = inventory(root)
const rowOf = line => /^\| `(\w+)` \| (.+?) \| (.*?) ?\|$/.exec(line)

function findings(text) {
  const out = []
  let proven = 0
  let area
  const seen = {}
  for (const line of text.split('\n')) {
    if (line.startsWith('## ')) seen[area = line.slice(3)] = []
    const row = rowOf(line)
    if (!row) continue
    const [, name, what, proof] = row
    if (seen[area].includes(name)) out.push(`${name} is there twice`)
    seen[area].push(name)
    const tests = [...proof.matchAll(/`([^`]+)`/g)].map(match => match[1])
    const reason = /^does not apply: (.{20,})$/.exec(what)
    if (reason ? tests.length > 0 : tests.length === 0) out.push(`${name} is neither proven nor refused with a reason`)
    const problems = tests.map(one => testProblem(known, one)).filter(Boolean)
    out.push(...problems.map(problem => `${name}: ${problem}`))
    if (!reason && tests.length > 0 && problems.length === 0) proven++
  }
  for (const [name, list] of Object.entries(scenarios)) {
    for (const one of list.split(/\s+/)) if (!(seen[name] ?? []).includes(one)) out.push(`${name}: ${one} is not answered`)
  }
  return { out, proven }
}

const text = readFileSync(join(root, 'docs/delivery-scenarios.md'), 'utf8')

test('every scenario of delivery is proven by tests that exist, or refused with a reason', () => {
  const { out, proven } = findings(text)
  assert.deepEqual(out, [])
  assert.ok(proven >= 87, `${proven} are proven`)
  if (process.env.WAB_TABLES_DIR) writeFileSync(join(process.env.WAB_TABLES_DIR, 'delivery scenarios.json'), JSON.stringify({ name: 'delivery scenarios', rows: proven, passed: proven }) + '\n')
})

test('a scenario that is left out, and a test that is gone, are found', () => {
  const line = text.split('\n').find(one => one.startsWith('| `test_rate_limit`'))
  assert.match(findings(text.replace(line + '\n', '')).out.join(), /test_rate_limit is not answered/)
  assert.match(findings(text.replace('Endpoint.FilterTable', 'Endpoint.NoTable')).out.join(), /there is no test Endpoint\.NoTable/)
  assert.match(findings(text.replace('gets no faster than its rate', 'gets as fast as it likes')).out.join(), /test_rate_limit: .* has no test/)
  assert.match(findings(text.replace(line, '| `test_rate_limit` | No faster than its rate. | |')).out.join(), /test_rate_limit is neither proven/)
  assert.match(findings(text.replace(line, line + '\n' + line)).out.join(), /test_rate_limit is there twice/)
})
