// What must not compile: a call of the store without a proven organization, and scopes from
// nowhere. The compiler itself is asked, with a snippet beside each that must build.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/table.h"

namespace {

struct Verdict {
  bool built = false;
  std::string output;
};

// The compiler that g++ is here, with the store's header compiled once.
class Compiler {
 public:
  Compiler() {
    folder_ = (std::filesystem::temp_directory_path() / "wab-compile-XXXXXX").string();
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    std::ofstream(folder_ + "/store.h") << "#include \"storage/rocks_store.h\"\n";
    const auto header = run("-x c++-header " + folder_ + "/store.h -o " + folder_ + "/store.h.gch");
    EXPECT_TRUE(header.built) << header.output;
  }
  ~Compiler() { std::filesystem::remove_all(folder_); }
  Compiler(const Compiler&) = delete;

  Verdict build(const std::string& body) const {
    const std::string source = folder_ + "/snippet.cc";
    std::ofstream(source) << "#include \"store.h\"\n"
                             "using namespace wab;\nusing namespace wab::storage;\n"
                             "struct Anybody {\n  Store& store;\n  RocksStore& opened;\n"
                             "  OrgScope proven;\n  OrgId org;\n  SessionId session;\n"
                             "  awaitable<void> work() {\n    "
                          << body << "\n    co_return;\n  }\n};\n";
    return run("-fsyntax-only " + source);
  }

 private:
  Verdict run(const std::string& what) const {
    const char* named = std::getenv("CXX");
    const std::string command = std::string(named ? named : "c++") +
                                " -std=c++20 -DBOOST_ASIO_NO_DEPRECATED -I" + folder_ + " -I" +
                                WAB_SOURCE_DIR + " " + what + " 2>&1";
    Verdict out;
    if (FILE* pipe = ::popen(command.c_str(), "r")) {
      std::array<char, 4096> chunk;
      while (const size_t size = std::fread(chunk.data(), 1, chunk.size(), pipe)) {
        out.output.append(chunk.data(), size);
      }
      out.built = ::pclose(pipe) == 0;
    }
    return out;
  }
  std::string folder_;
};

struct Snippet {
  const char* body;
  const char* error;  // what the compiler must complain about; null: it must build
};

// Everything that is right stands in one snippet, so that a mistake of the frame is seen.
constexpr Snippet kSnippets[] = {
    {"auto a = co_await store.load(proven, {}); auto b = co_await store.events_after(proven, 0, 1);"
     " auto c = co_await store.scan(Scope(proven, session), Kind::message, \"\", 1);"
     " auto d = co_await store.commit(Commit{Scope(proven)});"
     " const ScopeIssuer issuer = opened.issuer(); auto e = issuer.organization(org);",
     nullptr},
    {"auto a = co_await store.load(org, {});", "cannot convert"},
    {"auto a = co_await store.load({}, {});", "cannot convert"},
    {"auto a = co_await store.scan(org, Kind::message, \"\", 1);", "cannot convert"},
    {"auto a = co_await store.scan(session, Kind::message, \"\", 1);", "cannot convert"},
    {"auto a = co_await store.events_after(org, 0, 1);", "cannot convert"},
    {"auto a = co_await store.erase_all(org);", "cannot convert"},
    {"auto a = co_await store.deliveries(org, {}, {}, 1);", "cannot convert"},
    {"auto a = co_await store.marked(org, {}, 0);", "cannot convert"},
    {"auto a = co_await store.stored_bytes(org);", "cannot convert"},
    {"auto a = store.keyed_hash(org, \"x\", {});", "cannot convert"},
    {"Commit commit{org};", "no matching function"},
    {"Commit commit;", "no matching function"},
    {"OrgScope scope(org);", "private within this context"},
    {"OrgScope scope;", "no matching function"},
    {"Scope scope(org);", "no matching function"},
    {"Scope scope(session);", "no matching function"},
    {"Scope scope(org, session);", "no matching function"},
    {"ScopeIssuer issuer;", "no matching function"},
    {"ScopeIssuer issuer({});", "private within this context"},
    {"ScopeIssuer issuer{ScopeIssuer::Opener()};", "private within this context"},
    {"ScopeIssuer::Opener opener{};", "private within this context"},
    {"ScopeIssuer issuer(Store::opener());", "protected within this context"},
    {"const ScopeIssuer issuer = store.issuer();", "has no member named"},
    {"const ScopeIssuer first = opened.issuer(); ScopeIssuer second(first);",
     "use of deleted function"},
};

TEST(CompileFail, NoCallOfTheStoreWithoutAProvenOrganization) {
  wab::test::Table table("what does not compile");
  const Compiler compiler;
  for (const auto& snippet : kSnippets) {
    const auto verdict = compiler.build(snippet.body);
    if (!snippet.error) {
      table.row(verdict.built, std::string("must build: ") + verdict.output);
      ASSERT_TRUE(verdict.built) << "nothing below would mean anything";
      continue;
    }
    const bool held = !verdict.built && verdict.output.find(snippet.error) != std::string::npos;
    table.row(held, std::string(snippet.body) + "\n" + verdict.output.substr(0, 1500));
  }
  EXPECT_EQ(table.rows(), std::size(kSnippets));
}

}  // namespace
