#include "storage/key_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include "storage/store.h"

extern char** environ;

namespace wab::storage {
namespace {

using Steady = std::chrono::steady_clock;

tl::unexpected<Error> failed(std::string& problem, std::string text) {
  problem = "the command of exec: " + std::move(text);
  return fail(StoreError::root_key, "root key command");
}

// A child in its own process group; whatever happens, the group is gone and reaped at the end.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  // The wait status, or nothing at the deadline.
  std::optional<int> wait_until(Steady::time_point deadline) {
    for (;;) {
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        ::kill(-pid_, SIGKILL);  // what it may have left behind
        pid_ = 0;
        return status;
      }
      if (Steady::now() >= deadline) return std::nullopt;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

 private:
  pid_t pid_;
};

Result<pid_t> spawn(const std::vector<std::string>& words, int output, std::string& problem) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return failed(problem,
                  fmt::format("cannot be started ({}): {}", words[0], std::strerror(error)));
  }
  return pid;
}

}  // namespace

std::vector<std::string> split_command(std::string_view command) {
  std::vector<std::string> words;
  std::string word;
  bool inside = false;
  char quote = 0;
  for (size_t i = 0; i < command.size(); ++i) {
    const char c = command[i];
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else if (c == '\\' && quote == '"' && i + 1 < command.size()) {
        word += command[++i];
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      inside = true;
    } else if (c == ' ' || c == '\t') {
      if (inside) words.push_back(std::move(word));
      word.clear();
      inside = false;
    } else {
      word += c == '\\' && i + 1 < command.size() ? command[++i] : c;
      inside = true;
    }
  }
  if (quote != 0) return {};
  if (inside) words.push_back(std::move(word));
  return words;
}

Result<Bytes> run_key_command(std::string_view command, std::chrono::milliseconds limit_time,
                              size_t limit, std::string& problem) {
  const auto words = split_command(command);
  if (words.empty()) return failed(problem, "is empty or leaves a quote open");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed(problem, "cannot be given a pipe");
  const auto deadline = Steady::now() + limit_time;
  const auto pid = spawn(words, ends[1], problem);
  ::close(ends[1]);
  if (!pid) {
    ::close(ends[0]);
    return fail(pid.error());
  }
  Child child(*pid);
  Bytes output(limit + 1);
  size_t have = 0;
  const char* ended = nullptr;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now()).count();
    if (left <= 0) {
      ended = "did not finish in time and was stopped";
      break;
    }
    pollfd ready{ends[0], POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(left)) <= 0) continue;
    const ssize_t n = ::read(ends[0], output.data() + have, output.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += static_cast<size_t>(n);
    if (have > limit) {
      ended = "prints more than a key and was stopped";
      break;
    }
  }
  ::close(ends[0]);
  const auto status = ended == nullptr ? child.wait_until(deadline) : std::nullopt;
  if (ended == nullptr && !status) ended = "did not finish in time and was stopped";
  if (ended == nullptr && (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0)) {
    wipe(output);
    return failed(problem, WIFEXITED(*status)
                               ? fmt::format("failed with exit code {}", WEXITSTATUS(*status))
                               : fmt::format("was ended by signal {}", WTERMSIG(*status)));
  }
  if (ended != nullptr) {
    wipe(output);
    return failed(problem, ended);
  }
  output.resize(have);
  return output;
}

}  // namespace wab::storage
