// A store whose keys are rotated, and a way to stop it in the middle.
#pragma once

#include <condition_variable>

#include "tests/storage/key_fixture.h"

namespace wab::storage::tests {

// Stops whoever comes to one kill point until it is let go.
class Barrier {
 public:
  explicit Barrier(std::string place) : place_(std::move(place)) {
    current = this;
    kill_hook_for_tests = [](const char* at) { current->at(at); };
  }
  ~Barrier() {
    kill_hook_for_tests = nullptr;
    let_go();
  }
  void wait_reached() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return reached_; });
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    free_ = true;
    changed_.notify_all();
  }

 private:
  void at(const char* place) {
    if (place_ != place) return;
    std::unique_lock lock(mutex_);
    reached_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return free_; });
  }
  static inline Barrier* current = nullptr;
  const std::string place_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool reached_ = false, free_ = false;
};

class Rotation : public KeyStoreTest {
 protected:
  void rotate_data(const OrgId& of) {
    const auto begun = caller(store->rotate_data_key(issuer.organization(of)));
    ASSERT_TRUE(begun) << begun.error().describe();
    EXPECT_TRUE(*begun);
  }
  void rotate_term() {
    const auto done = caller(store->rotate_key_encryption_key(message));
    ASSERT_TRUE(done) << message;
  }
  std::string new_root() {
    const std::string path = home / "new.key";
    if (!file_exists(path)) {
      EXPECT_TRUE(create_root_key_file(path, system_random(), message));
    }
    return "file:" + path;
  }
  RocksOptions with_root(std::string root) {
    RocksOptions out = options();
    out.root_key = std::move(root);
    return out;
  }
  std::map<std::string, std::string> child(const std::string& what) {
    return {{"WAB_TEST_DATA", data()},
            {"WAB_TEST_ROOT", "file:" + root_file()},
            {"WAB_TEST_TO", new_root()},
            {"WAB_TEST_ORG", org.text()},
            {"WAB_TEST_WHAT", what}};
  }
  KeyringOptions keyring_of(std::string root) {
    KeyringOptions out;
    out.directory = data();
    out.root_key = std::move(root);
    return out;
  }
  std::string copy_of_store(const std::string& name) {
    const std::string to = home / name;
    std::filesystem::remove_all(to);
    std::filesystem::copy(data(), to, std::filesystem::copy_options::recursive);
    return to;
  }
};

}  // namespace wab::storage::tests
