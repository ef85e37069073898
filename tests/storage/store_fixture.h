// A store in a temporary directory, and calls to it from a test's own thread.
#pragma once

#include <gtest/gtest.h>
#include <rocksdb/file_system.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <optional>

#include "storage/base/log.h"
#include "storage/key_file.h"
#include "storage/rocks_store.h"
#include "storage/root_key.h"
#include "tests/support/fake_store.h"

namespace wab::storage::tests {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "wab-store-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Seeded, and thread-safe as Random must be.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  void fill(MutableBytes out) override {
    const std::lock_guard lock(mutex_);
    for (uint8_t& byte : out) {
      state_ += 0x9e3779b97f4a7c15;
      uint64_t z = state_;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      byte = static_cast<uint8_t>(z ^ (z >> 31));
    }
  }

 private:
  std::mutex mutex_;
  uint64_t state_;
};

// Collects log lines instead of printing them.
class LogLines {
 public:
  LogLines() {
    previous_ = set_log_sink([this](LogLevel level, const char* event, std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(event, std::string(line));
      if (level == LogLevel::error) ++errors_;
    });
  }
  ~LogLines() { set_log_sink(previous_); }
  size_t count(std::string_view event) {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::count_if(
        lines_.begin(), lines_.end(), [event](const auto& line) { return line.first == event; }));
  }
  size_t errors() {
    const std::lock_guard lock(mutex_);
    return errors_;
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    lines_.clear();
    errors_ = 0;
  }
  std::string all() {
    const std::lock_guard lock(mutex_);
    std::string out;
    for (const auto& line : lines_) out += line.second + "\n";
    return out;
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> lines_;
  size_t errors_ = 0;
  LogSink previous_;
};

// One loop on the calling thread.
class Caller {
 public:
  template <class T>
  T operator()(awaitable<T> work) {
    std::optional<T> out;
    boost::asio::co_spawn(io_, std::move(work), [this, &out](std::exception_ptr error, T value) {
      if (error) std::rethrow_exception(error);
      out.emplace(std::move(value));
      io_.stop();
    });
    io_.restart();
    io_.run();
    return std::move(*out);
  }
  // Starts without waiting; `done` gets the result when the loop runs.
  template <class T, class Done>
  void start(awaitable<T> work, Done done) {
    boost::asio::co_spawn(io_, std::move(work),
                          [done = std::move(done)](std::exception_ptr error, T value) mutable {
                            if (error) std::rethrow_exception(error);
                            done(std::move(value));
                          });
  }
  boost::asio::io_context& io() { return io_; }
  // Until `done` holds; for at most this long, because a lost answer must not hang the suite.
  template <class Done>
  bool run_until(Done done, std::chrono::seconds limit = std::chrono::seconds(30)) {
    io_.restart();
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      // In small steps: what `done` looks at may change on another thread.
      io_.run_one_for(std::chrono::milliseconds(2));
      if (std::chrono::steady_clock::now() >= end) return false;
    }
    return true;
  }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      io_.get_executor()};
};

inline Row row(Kind kind, std::string name, std::string_view value) {
  return Row{Key{kind, std::move(name)}, to_bytes(value)};
}

inline EventRow event(const SessionId& session, uint64_t seq, std::string_view body) {
  EventRow out;
  out.session = session;
  out.seq = seq;
  out.id = "evt_" + std::to_string(seq);
  out.type = "message";
  out.lane = be64(seq % 3);
  out.at = 1'700'000'000'000 + static_cast<UnixMillis>(seq);
  out.body = to_bytes(body);
  return out;
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    std::string message;
    EXPECT_TRUE(create_root_key_file(root_file(), system_random(), message)) << message;
  }
  std::string root_file() const { return home / "root.key"; }
  std::string data() const { return home / "data"; }
  RocksOptions options() {
    RocksOptions out;
    out.path = data();
    out.root_key = "file:" + root_file();
    out.write_buffer_bytes = 4u << 20;
    out.on_quarantine = [this](const OrgId&, const SessionId& session) {
      quarantined.push_back(session);
    };
    return out;
  }
  void open() { open(options()); }
  void open(RocksOptions with) {
    std::string message;
    auto opened = RocksStore::open(std::move(with), message);
    ASSERT_TRUE(opened) << opened.error().describe() << ": " << message;
    store = std::move(*opened);
  }
  // The error and message of an open that must fail.
  Error open_fails(RocksOptions with) {
    auto opened = RocksStore::open(std::move(with), message);
    EXPECT_FALSE(opened);
    EXPECT_FALSE(message.empty());
    return opened ? Error(StoreError::io, "opened") : opened.error();
  }
  void reopen() {
    store.reset();
    open();
  }
  std::optional<std::string> value(const Scope& scope, Kind kind, std::string name) {
    auto loaded = caller(store->load(scope, {Key{kind, std::move(name)}}));
    EXPECT_TRUE(loaded) << loaded.error().describe();
    if (!loaded || !(*loaded)[0]) return std::nullopt;
    return to_string(*(*loaded)[0]);
  }
  Result<Committed> put(const Scope& scope, Kind kind, std::string name, std::string_view text) {
    Commit commit(scope);
    commit.put.push_back(row(kind, std::move(name), text));
    return caller(store->commit(std::move(commit)));
  }

  TemporaryDirectory home;
  LogLines log;
  ScopeIssuer issuer = wab::test::any_issuer();
  OrgId org = OrgId::random(system_random()), other_org = OrgId::random(system_random());
  SessionId session = SessionId::random(system_random());
  SessionId other_session = SessionId::random(system_random());
  Scope scope{issuer.organization(org), session};
  Caller caller;
  std::vector<SessionId> quarantined;
  std::string message;
  std::unique_ptr<RocksStore> store;
};

}  // namespace wab::storage::tests
