// Stores whose keys change: what is in them, what the disk really holds, and who can open it.
#pragma once

#include <rocksdb/db.h>
#include <spawn.h>
#include <sys/wait.h>

#include <map>

#include "storage/kill_point.h"
#include "storage/org_keys.h"
#include "storage/rocks_layout.h"
#include "storage/seal.h"
#include "tests/storage/store_fixture.h"

extern char** environ;

namespace wab::storage::tests {

class KeyStoreTest : public StoreTest {
 protected:
  using Rows = std::map<std::string, std::string>;  // raw key -> raw value
  static constexpr const char* kSealed[] = {"rows", "events", "deliveries"};

  // The closed database as whoever has the disk sees it.
  template <class Work>
  static void raw(const std::string& at, const std::string& column, Work work) {
    const std::string path = at + "/db";
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) {
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, path, families, &handles, &db).ok());
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      if (handle->GetName() == column) work(*db, handle);
    }
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  static Rows rows_at(const std::string& at, const std::string& column) {
    Rows out;
    raw(at, column, [&out](rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
      const std::unique_ptr<rocksdb::Iterator> each(db.NewIterator({}, family));
      for (each->SeekToFirst(); each->Valid(); each->Next()) {
        out[each->key().ToString()] = each->value().ToString();
      }
    });
    return out;
  }
  static void overwrite_at(const std::string& at, const std::string& column, const std::string& key,
                           const std::string& value) {
    raw(at, column, [&](rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
      ASSERT_TRUE(db.Put({}, family, key, value).ok());
    });
  }

  // Rows, events, marks and deliveries of two organizations, two sessions in the first.
  void fill(int per_session = 12) {
    for (const Scope& each : scopes()) {
      for (int i = 0; i < per_session; ++i) {
        const std::string n = std::to_string(i);
        Commit commit(each);
        const auto seq = static_cast<uint64_t>(i + 1);
        commit.put = {row(Kind::head, "", n),
                      row(Kind::sent_message, n, "sent " + n + std::string(100 * i, 'x')),
                      row(Kind::signal_session, n, "ratchet " + n)};
        commit.put_org = {row(Kind::audit, each.session().text() + n, "entry " + n)};
        commit.marks = {Mark{"m" + n, 10}};
        commit.events = {event(each.session(), seq, "body " + n)};
        commit.deliveries = {DeliveryRow{endpoint, each.session(), seq, {}, to_bytes("due " + n)}};
        ASSERT_TRUE(caller(store->commit(std::move(commit))));
      }
      filled = per_session;
    }
  }
  std::vector<Scope> scopes() {
    return {scope, Scope(issuer.organization(org), other_session),
            Scope(issuer.organization(other_org), session)};
  }
  // Everything that fill() wrote is there; heads are left out, tests change them.
  void expect_all_readable() {
    ASSERT_NE(store, nullptr);
    for (const Scope& each : scopes()) {
      for (int i = 0; i < filled; ++i) {
        const std::string n = std::to_string(i);
        const auto seq = static_cast<uint64_t>(i + 1);
        EXPECT_EQ(value(each, Kind::sent_message, n), "sent " + n + std::string(100 * i, 'x'));
        EXPECT_EQ(value(each, Kind::signal_session, n), "ratchet " + n);
        EXPECT_EQ(value(each.org_scope(), Kind::audit, each.session().text() + n), "entry " + n);
        EXPECT_EQ(*caller(store->marked(each, {"m" + n}, 0)), std::vector<bool>{true});
        const auto found = caller(store->event(each, seq));
        ASSERT_TRUE(found && *found) << n;
        EXPECT_EQ(to_string((*found)->body), "body " + n);
      }
      const auto owed = caller(store->deliveries(each.org_scope(), endpoint, std::nullopt, 1000));
      ASSERT_TRUE(owed);
      const size_t sessions = each.org() == org ? 2 : 1;
      EXPECT_EQ(owed->size(), sessions * static_cast<size_t>(filled));
    }
    EXPECT_TRUE(quarantined.empty());
  }

  // An organization's keys as somebody has them who took root key, keyring, half key and database.
  std::shared_ptr<const OrgKeys> stolen_keys(const std::string& at, const std::string& root,
                                             const OrgId& of) {
    KeyringOptions with;
    with.directory = at;
    with.root_key = root;
    const auto keyring = Keyring::open(with, false, message);
    EXPECT_TRUE(keyring) << message;
    if (!keyring) return nullptr;
    const auto half = (*keyring)->half_key(of);
    if (!half) return nullptr;
    std::vector<OrgKeys::DataKey> keys;
    for (const auto& [key, value] : rows_at(at, "keys")) {
      if (key.size() != 20 || !key.starts_with(std::string(text(of.bytes())))) continue;
      auto opened = (*keyring)->unwrap(of, *half, view(value));
      if (opened) keys.push_back({read_be32(view(key).subspan(16)), std::move(*opened)});
    }
    if (keys.empty()) return nullptr;
    const auto index = SecretKey32::from((*keyring)->keyed_hash(of, "index", half->reveal()));
    deployment = (*keyring)->deployment();
    return std::make_shared<const OrgKeys>(index->clone(), keys);
  }
  // How many sealed values of this organization those keys open, of all there are.
  struct Share {
    size_t opened = 0, all = 0;
  };
  Share share(const std::string& at, const OrgKeys& keys, const OrgId& of) {
    Share out;
    for (const Column column : {Column::rows, Column::events, Column::deliveries}) {
      for (const auto& [key, value] : rows_at(at, kSealed[static_cast<size_t>(column) - 1])) {
        if (!key.starts_with(std::string(text(of.bytes())))) continue;
        ++out.all;
        const auto of_session = session_of(column, view(key));
        if (!of_session) continue;
        const ByteView envelope = view(value).subspan(envelope_at(column));
        for (const uint32_t version : keys.versions()) {
          SealContext context{deployment, of.bytes(), of_session->bytes(),
                              static_cast<uint8_t>(column), view(key)};
          if (storage::open(keys.column_key(column, version), context, envelope)) {
            ++out.opened;
            break;
          }
        }
      }
    }
    return out;
  }
  // The contents of every file below a directory.
  static std::string all_bytes(const std::string& at) {
    std::string out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(at)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      out.append(std::istreambuf_iterator<char>(file), {});
    }
    return out;
  }

  // Runs the disabled test `name` of this program in another process, which dies at its nth kill
  // point (0: never). True when it was killed; it must end well otherwise.
  static bool child_dies(const std::string& name, uint64_t kill_at,
                         const std::map<std::string, std::string>& given) {
    std::vector<std::string> arguments = {"/proc/self/exe", "--gtest_also_run_disabled_tests",
                                          "--gtest_filter=" + name, "--gtest_brief=1"};
    std::vector<std::string> settings;
    for (char** each = environ; *each != nullptr; ++each) settings.emplace_back(*each);
    for (const auto& [key, value] : given) settings.push_back(key + "=" + value);
    settings.push_back("WAB_TEST_KILL_AT=" + std::to_string(kill_at));
    std::vector<char*> argv, envp;
    for (auto& each : arguments) argv.push_back(each.data());
    for (auto& each : settings) envp.push_back(each.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    pid_t pid = 0;
    EXPECT_EQ(::posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, argv.data(), envp.data()), 0);
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
      EXPECT_EQ(WTERMSIG(status), SIGKILL);
      return true;
    }
    EXPECT_EQ(WEXITSTATUS(status), 0) << name << " failed in the child";
    return false;
  }
  // In the child: dies at the kill point that was asked for.
  static void die_as_told() {
    static std::atomic<uint64_t> left;
    const char* at = std::getenv("WAB_TEST_KILL_AT");
    left = at != nullptr ? std::strtoull(at, nullptr, 10) : 0;
    if (left == 0) return;
    kill_hook_for_tests = [](const char*) {
      if (left.fetch_sub(1) == 1) {
        ::kill(::getpid(), SIGKILL);
        for (;;) ::pause();
      }
    };
  }

  EndpointId endpoint = EndpointId::random(system_random());
  ByteArray<16> deployment{};
  int filled = 0;
};

}  // namespace wab::storage::tests
