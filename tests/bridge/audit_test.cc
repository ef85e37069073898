// Who did what: entries around every effect, chains that show every tampering.
#include "bridge/audit.h"

#include <algorithm>
#include <set>

#include "bridge/routes/tables.h"
#include "storage/base/shards.h"
#include "tests/bridge/bench.h"

namespace wab::bridge::test {
namespace {

using storage::Kind;

std::vector<AuditEntry> entries_of(Bench& bench, const storage::OrgScope& chain) {
  auto lines = bench.wait(bench.audit.lines(chain, 0, 1000));
  std::vector<AuditEntry> out;
  for (const auto& line : *lines) {
    auto entry = parse_audit_line(line);
    EXPECT_TRUE(entry) << line;
    if (entry) out.push_back(*entry);
  }
  return out;
}
storage::OrgScope scope_of(Bench& bench, const std::string& org) {
  return bench.issuer.organization(*OrgId::parse(org));
}

TEST(Audit, EveryRouteThatChangesSomethingHasAnAction) {
  // Messages are rows with their own state; see audit.h. Reports of browsers change nothing.
  const std::set<std::string_view> unlogged = {"sendMessage", "reportPolicy"};
  size_t logged = 0;
  for (const auto& table : all_routes()) {
    for (const auto& route : table) {
      const bool reads = route.method == "GET";
      if (reads && route.audit.empty()) continue;
      if (unlogged.contains(route.name)) continue;
      EXPECT_FALSE(route.audit.empty()) << route.method << " " << route.pattern;
      EXPECT_TRUE(route.audit.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.") ==
                  std::string_view::npos)
          << route.audit;
      ++logged;
    }
  }
  EXPECT_GE(logged, 20u);
}

TEST(Audit, AnEffectStandsBetweenTwoEntries) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto before = entries_of(bench, scope_of(bench, a.org)).size();
  bench.clock.advance(std::chrono::seconds(5));
  const auto made = bench.call("POST", "/v1/sessions", R"({"name":"second"})", a.owner);
  ASSERT_EQ(made.status, 201);
  const std::string id = json::parse(made.body)["id"];
  EXPECT_EQ(bench.call("DELETE", "/v1/sessions/" + id, "", a.owner).status, 204);
  EXPECT_EQ(bench.call("DELETE", "/v1/sessions/" + id, "", a.owner).status, 404);
  const auto all = entries_of(bench, scope_of(bench, a.org));
  ASSERT_EQ(all.size(), before + 6);
  struct Row {
    const char *action, *outcome, *detail;
    std::string target;
  };
  const Row rows[] = {
      {"session.create", "begun", "", ""}, {"session.create", "done", "", id},
      {"session.delete", "begun", "", id}, {"session.delete", "done", "", id},
      {"session.delete", "begun", "", id}, {"session.delete", "refused", "not_found", id}};
  for (size_t i = 0; i < 6; ++i) {
    const auto& entry = all[before + i];
    EXPECT_EQ(entry.seq, before + i + 1);
    EXPECT_EQ(entry.action, rows[i].action);
    EXPECT_EQ(entry.outcome, rows[i].outcome);
    EXPECT_EQ(entry.detail, rows[i].detail);
    EXPECT_EQ(entry.target, rows[i].target);
    EXPECT_EQ(entry.actor, a.token_id);
    EXPECT_EQ(entry.address, "203.0.113.9");
    EXPECT_EQ(entry.request, "test");
    EXPECT_EQ(entry.at, bench.clock.now_ms());
  }
  // What an operator does in an organization is in both logs.
  EXPECT_EQ(all[0].action, "token.create");
  const auto deployment = entries_of(bench, bench.issuer.deployment());
  const auto same = std::find_if(deployment.begin(), deployment.end(), [&](const auto& entry) {
    return entry.action == "token.create" && entry.outcome == "done";
  });
  ASSERT_NE(same, deployment.end());
  EXPECT_EQ(same->target, a.org + "/" + a.token_id);
}

TEST(Audit, WithoutAnEntryThereIsNoEffect) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto sessions = bench.sessions.all.size();
  // The first entry cannot be written: the handler does not run.
  bench.store.on_commit = [&](const storage::Commit& commit) {
    for (const auto& row : commit.put) {
      if (row.key.kind == Kind::audit)
        bench.store.failure = Error(storage::StoreError::fenced, "test");
    }
  };
  EXPECT_EQ(bench.call("POST", "/v1/sessions", R"({"name":"x"})", a.owner).status, 503);
  EXPECT_EQ(bench.sessions.all.size(), sessions);
  // The last one cannot: the answer does not say that it is done.
  bench.store.failure.reset();
  int audits = 0;
  bench.store.on_commit = [&](const storage::Commit& commit) {
    for (const auto& row : commit.put) {
      if (row.key.kind == Kind::audit && row.key.name != "head" && ++audits == 2) {
        bench.store.failure = Error(storage::StoreError::fenced, "test");
      }
    }
  };
  EXPECT_EQ(bench.call("POST", "/v1/sessions", R"({"name":"x"})", a.owner).status, 503);
  EXPECT_EQ(bench.sessions.all.size(), sessions + 1);
  bench.store.failure.reset();
  bench.store.on_commit = nullptr;
  const auto all = entries_of(bench, scope_of(bench, a.org));
  EXPECT_EQ(all.back().outcome, "begun");
  auto verdict = bench.wait(bench.audit.verify(scope_of(bench, a.org)));
  EXPECT_FALSE(verdict->wrong) << *verdict->wrong;
}

TEST(Audit, SignInsAndRefusalsAreWritten) {
  Bench bench;
  const auto a = bench.tenant("A");
  auto made = bench.wait(bench.people.create_user("ana@example.org", "a long password", Role::admin,
                                                  OrgId::parse(a.org)));
  ASSERT_TRUE(made);
  auto login = [&](const char* password) {
    return bench.call("POST", "/v1/login",
                      json{{"email", "ana@example.org"}, {"password", password}}.dump());
  };
  EXPECT_EQ(login("wrong").status, 401);
  EXPECT_EQ(login("a long password").status, 200);
  const auto deployment = entries_of(bench, bench.issuer.deployment());
  const auto& failed = deployment[deployment.size() - 2];
  const auto& good = deployment.back();
  EXPECT_EQ(failed.action, "sign_in.password");
  EXPECT_EQ(failed.outcome, "refused");
  EXPECT_EQ(failed.detail, "bad_credentials");
  EXPECT_EQ(failed.actor, "ana@example.org");
  EXPECT_EQ(good.outcome, "done");
  EXPECT_EQ(good.target, made->text());
  EXPECT_EQ(entries_of(bench, scope_of(bench, a.org)).back().action, "sign_in.password");
  // Guessing beyond the limit fills no disk.
  for (int i = 0; i < 50; ++i) login("wrong");
  EXPECT_LE(entries_of(bench, bench.issuer.deployment()).size(), deployment.size() + 10);

  const auto viewer = bench.token(scope_of(bench, a.org), Role::viewer);
  EXPECT_EQ(bench.call("DELETE", "/v1/sessions/" + a.session, "", viewer).status, 403);
  const auto refused = entries_of(bench, scope_of(bench, a.org)).back();
  EXPECT_EQ(refused.action, "session.delete");
  EXPECT_EQ(refused.outcome, "refused");
  EXPECT_EQ(refused.detail, "forbidden");
  EXPECT_EQ(refused.target, a.session);
  EXPECT_EQ(bench.store.everything().find("a long password"), std::string::npos);
}

TEST(Audit, IsReadByPageInBothOrdersAndOnlyByWhoMay) {
  Bench bench;
  const auto a = bench.tenant("A"), b = bench.tenant("B");
  for (int i = 0; i < 5; ++i) bench.call("POST", "/v1/sessions", R"({"name":"x"})", a.owner);
  const auto total = entries_of(bench, scope_of(bench, a.org)).size();
  for (const std::string order : {"asc", "desc"}) {
    std::vector<uint64_t> seen;
    std::string after;
    for (int page = 0; page < 20; ++page) {
      const auto answer =
          bench.call("GET", "/v1/audit?limit=4&order=" + order + after, "", a.owner);
      ASSERT_EQ(answer.status, 200) << answer.body;
      const auto body = json::parse(answer.body);
      for (const auto& entry : body["data"]) seen.push_back(entry["seq"]);
      EXPECT_EQ(answer.body.find(b.session), std::string::npos);
      if (body["next_cursor"].is_null()) break;
      after = "&after=" + body["next_cursor"].get<std::string>();
    }
    std::vector<uint64_t> expected;
    for (uint64_t i = 1; i <= total; ++i) expected.push_back(i);
    if (order == "desc") std::reverse(expected.begin(), expected.end());
    EXPECT_EQ(seen, expected) << order;
  }
  EXPECT_EQ(bench.call("GET", "/v1/audit?after=99999999", "", a.owner).status, 200);
  const auto org = scope_of(bench, a.org);
  EXPECT_EQ(bench.call("GET", "/v1/audit", "", bench.token(org, Role::viewer)).status, 403);
  EXPECT_EQ(bench.call("GET", "/v1/audit", "", bench.token(org, Role::agent)).status, 403);
  EXPECT_EQ(bench.call("GET", "/v1/audit", "", bench.token(org, Role::admin)).status, 200);
  const auto deployment = bench.call("GET", "/v1/audit", "", bench.operator_token());
  ASSERT_EQ(deployment.status, 200);
  EXPECT_EQ(json::parse(deployment.body)["data"][0]["action"], "organization.create");
  EXPECT_EQ(deployment.body.find(a.session), std::string::npos);
}

awaitable<void> append_one(Bench& bench, storage::OrgScope chain, int i, int& done) {
  AuditEntry entry;
  entry.action = "test";
  entry.target = std::to_string(i);
  auto written = co_await bench.audit.append(chain, std::move(entry));
  EXPECT_TRUE(written);
  ++done;
}

TEST(Audit, ManyAtOnceMakeOneChain) {
  Bench bench;
  const auto chain = scope_of(bench, bench.tenant("A").org);
  int done = 0;
  for (int i = 0; i < 200; ++i)
    spawn(bench.loop.get_executor(), append_one(bench, chain, i, done), "test");
  bench.loop.restart();
  bench.loop.run();
  EXPECT_EQ(done, 200);
  auto verdict = bench.wait(bench.audit.verify(chain));
  ASSERT_FALSE(verdict->wrong) << *verdict->wrong;
  EXPECT_GE(verdict->head.seq, 200u);
}

class Tamper : public ::testing::Test {
 protected:
  Tamper() : tenant(bench.tenant("A")), chain(scope_of(bench, tenant.org)) {
    const auto answer = bench.call("GET", "/v1/audit/export", "", tenant.owner);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.content_type, "application/x-ndjson; charset=utf-8");
    text = answer.body;
    std::string line;
    for (const char c : text) {
      line += c;
      if (c != '\n') continue;
      lines.push_back(line);
      line.clear();
    }
  }
  std::optional<std::string> judge(const std::string& changed) {
    AuditSeal seal;
    return judge_export(changed, bench.audit.mac_of(chain), seal);
  }
  std::optional<std::string> verify() {
    auto verdict = bench.wait(bench.audit.verify(chain));
    EXPECT_TRUE(verdict.has_value());
    return verdict ? verdict->wrong : "unreadable";
  }
  void put(const std::string& name, Bytes value) {
    storage::Commit commit{storage::Scope(chain)};
    storage::Row row;
    row.key.kind = Kind::audit;
    row.key.name = name;
    row.value = std::move(value);
    commit.put.push_back(std::move(row));
    EXPECT_TRUE(bench.wait(bench.store.commit(std::move(commit))));
  }
  void erase(const std::string& name) {
    storage::Commit commit{storage::Scope(chain)};
    storage::Key key;
    key.kind = Kind::audit;
    key.name = name;
    commit.erase.push_back(std::move(key));
    EXPECT_TRUE(bench.wait(bench.store.commit(std::move(commit))));
  }
  Bytes row(const std::string& name) {
    std::vector<storage::Key> keys(1);
    keys[0].kind = Kind::audit;
    keys[0].name = name;
    auto found = bench.wait(bench.store.load(chain, std::move(keys)));
    return **found->begin();
  }

  Bench bench;
  Bench::Tenant tenant;
  storage::OrgScope chain;
  std::string text;
  std::vector<std::string> lines;
};

TEST_F(Tamper, AnyBitOfAnExportIsFound) {
  ASSERT_EQ(judge(text), std::nullopt);
  ASSERT_GE(lines.size(), 6u);
  for (size_t at = 0; at < text.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = text;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      ASSERT_TRUE(judge(changed)) << "byte " << at << " bit " << bit;
    }
    ASSERT_TRUE(judge(text.substr(0, at))) << "cut at " << at;
    std::string longer = text;
    longer.insert(at, 1, ' ');
    ASSERT_TRUE(judge(longer)) << "a byte more at " << at;
  }
}

TEST_F(Tamper, RemovedRepeatedAndReorderedLinesOfAnExportAreFound) {
  auto joined = [](const std::vector<std::string>& all) {
    std::string out;
    for (const auto& line : all) out += line;
    return out;
  };
  for (size_t i = 0; i < lines.size(); ++i) {
    auto some = lines;
    some.erase(some.begin() + static_cast<long>(i));
    EXPECT_TRUE(judge(joined(some))) << i;
    some = lines;
    some.insert(some.begin() + static_cast<long>(i), lines[i]);
    EXPECT_TRUE(judge(joined(some))) << i;
    for (size_t j = i + 1; j < lines.size(); ++j) {
      some = lines;
      std::swap(some[i], some[j]);
      EXPECT_TRUE(judge(joined(some))) << i << " " << j;
    }
  }
  // Another deployment's or organization's seal does not do.
  const auto other = bench.tenant("B");
  AuditSeal seal;
  EXPECT_TRUE(judge_export(text, bench.audit.mac_of(scope_of(bench, other.org)), seal));
  // A chain that was made anew from a forged entry hangs together, and is not this one.
  AuditHead head;
  std::string forged;
  for (size_t i = 0; i + 1 < lines.size(); ++i) {
    auto entry = *parse_audit_line(lines[i].substr(0, lines[i].size() - 1));
    if (i == 1) entry.actor = "somebody else";
    forged += audit_line(std::move(entry), head) + "\n";
  }
  EXPECT_TRUE(judge(forged + lines.back()));
}

TEST_F(Tamper, ExportsInPartsFollowEachOther) {
  const auto part = bench.call("GET", "/v1/audit/export?after=2&limit=2", "", tenant.owner);
  AuditSeal seal;
  ASSERT_EQ(judge_export(part.body, bench.audit.mac_of(chain), seal), std::nullopt);
  EXPECT_EQ(seal.after, 2u);
  EXPECT_EQ(seal.last, 4u);
  EXPECT_EQ(part.body.substr(0, part.body.find('\n') + 1), lines[2]);
  const auto none = bench.call("GET", "/v1/audit/export?after=99999", "", tenant.owner);
  EXPECT_EQ(judge_export(none.body, bench.audit.mac_of(chain), seal), std::nullopt);
}

TEST_F(Tamper, AnyByteOfAStoredRowIsFound) {
  ASSERT_EQ(verify(), std::nullopt);
  size_t flips = 0;
  for (const std::string name : {"e1", "e3", "head"}) {
    const auto good = row(name);
    for (size_t at = 0; at < good.size(); ++at) {
      auto bad = good;
      bad[at] ^= 1;
      put(name, bad);
      ASSERT_TRUE(verify()) << name << " byte " << at;
      ++flips;
    }
    put(name, good);
  }
  EXPECT_GT(flips, 600u);
  EXPECT_EQ(verify(), std::nullopt);
}

TEST_F(Tamper, RowsRemovedSwappedOrCutOffAreFound) {
  const auto first = row("e1"), second = row("e2"), head = row("head");
  const auto end = json::parse(to_string(head))["seq"].get<uint64_t>();
  put("e1", second);
  put("e2", first);
  EXPECT_TRUE(verify());
  put("e1", first);
  put("e2", second);
  erase("e2");
  EXPECT_TRUE(verify());
  put("e2", second);
  const auto last = row("e" + std::to_string(end));
  erase("e" + std::to_string(end));
  EXPECT_TRUE(verify());
  // The end cut off and the head set back to an older one of ours.
  AuditHead older;
  older.seq = end - 1;
  older.hash = parse_audit_line(lines[end - 2].substr(0, lines[end - 2].size() - 1))->hash;
  const json set_back = {{"v", 1}, {"seq", older.seq}, {"hash", older.hash}};
  put("e" + std::to_string(end), last);
  put("head", to_bytes(set_back.dump()));
  EXPECT_TRUE(verify()) << "an entry behind the head";
  put("head", head);
  ASSERT_EQ(verify(), std::nullopt);
  // Everything taken away: the deployment knows that there was a chain.
  for (uint64_t i = 1; i <= end; ++i) erase("e" + std::to_string(i));
  erase("head");
  EXPECT_TRUE(verify());
}

}  // namespace
}  // namespace wab::bridge::test
