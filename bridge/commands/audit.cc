#include "bridge/audit.h"

#include <fstream>
#include <iostream>
#include <iterator>

#include "bridge/commands/commands.h"
#include "bridge/parts.h"
#include "bridge/service.h"

namespace wab::bridge {
namespace {

constexpr size_t kMostExport = 256u << 20;

struct Desk {
  storage::RocksStore& store;
  any_io_executor executor;
  storage::ScopeIssuer scopes = store.issuer();
  Audit audit{store, system_clock(), scopes.deployment(), {executor}};
};

int complain(const std::string& line, int code = kExitFailed) {
  std::cerr << line << std::endl;
  return code;
}

awaitable<bool> check(Desk& desk, storage::OrgScope chain) {
  auto verdict = co_await desk.audit.verify(chain);
  const auto name = desk.audit.name_of(chain);
  if (!verdict) {
    complain(name + ": could not be read");
    co_return false;
  }
  if (verdict->wrong) {
    std::cout << name << ": DAMAGED, " << *verdict->wrong << std::endl;
    co_return false;
  }
  std::cout << name << ": " << verdict->head.seq << " entries, head " << verdict->head.hash
            << std::endl;
  co_return true;
}

awaitable<int> check_all(Desk& desk) {
  const auto deployment = desk.scopes.deployment();
  bool good = co_await check(desk, deployment);
  std::string after;
  do {
    auto page = co_await desk.store.scan(deployment, storage::Kind::organization, after, 200);
    if (!page) co_return complain("audit verify: the organizations could not be read");
    for (const auto& row : page->rows) {
      const auto id = OrgId::parse(row.key.name);
      if (!id) continue;
      const auto chain = desk.scopes.organization(*id);
      const bool whole = co_await check(desk, chain);
      good = good && whole;
    }
    after = page->next;
  } while (!after.empty());
  co_return good ? kExitDone : kExitFailed;
}

awaitable<int> check_export(Desk& desk, std::string text) {
  // The seal names its chain; what it says is proven right after.
  const auto mark = text.rfind("\"chain\":\"");
  const auto name = mark == std::string::npos ? std::string() : text.substr(mark + 9, 30);
  auto chain = desk.scopes.deployment();
  if (const auto org = OrgId::parse(name)) chain = desk.scopes.organization(*org);
  AuditSeal seal;
  if (const auto wrong = judge_export(text, desk.audit.mac_of(chain), seal)) {
    std::cout << "export: DAMAGED, " << *wrong << std::endl;
    co_return kExitFailed;
  }
  auto lines = co_await desk.audit.lines(chain, seal.last > 0 ? seal.last - 1 : 0, 1);
  if (!lines) co_return complain("audit verify: the store's chain could not be read");
  if (seal.last > 0 && (lines->empty() || text.find(lines->front()) == std::string::npos)) {
    std::cout << "export: whole, but the store's log does not hold its last entry" << std::endl;
    co_return kExitFailed;
  }
  std::cout << "export: " << seal.chain << ", entries " << seal.after + 1 << " to " << seal.last
            << " of " << seal.head.seq << " on " << to_iso8601(seal.made) << std::endl;
  co_return kExitDone;
}

}  // namespace

int audit_verify(const Config& config, const std::string& export_path) {
  std::string text;
  if (!export_path.empty()) {
    std::ifstream file;
    if (export_path != "-") file.open(export_path, std::ios::binary);
    std::istream& from = export_path == "-" ? std::cin : file;
    if (!from) return complain("--export: cannot read " + export_path, kExitUsage);
    text.assign(std::istreambuf_iterator<char>(from), {});
    if (text.size() > kMostExport) return complain("--export: larger than 256 MiB", kExitUsage);
  }
  Shards shards(1);
  BlockingPool disk("disk", 1, 64);
  auto store = open_store(config, disk);
  if (!store) return complain(store.error());
  Desk desk{**store, shards.executor(0)};
  std::function<awaitable<int>()> work = [&] {
    return export_path.empty() ? check_all(desk) : check_export(desk, text);
  };
  return run_to_end(shards, std::move(work));
}

}  // namespace wab::bridge
