#include "storage/base/metrics.h"

#include <dirent.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <cstdio>
#include <map>

namespace wab {
namespace {

prometheus::Registry& registry() {
  static prometheus::Registry& the = *new prometheus::Registry;  // handles outlive statics
  return the;
}

std::map<std::string, std::string> to_map(const Labels& labels) {
  return {labels.begin(), labels.end()};
}

double resident_bytes() {
  long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    long total = 0;
    if (std::fscanf(file, "%ld %ld", &total, &pages) != 2) pages = 0;
    std::fclose(file);
  }
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double open_files() {
  double count = 0;
  if (DIR* dir = opendir("/proc/self/fd")) {
    while (readdir(dir) != nullptr) ++count;
    closedir(dir);
  }
  return count > 3 ? count - 3 : 0;  // ".", ".." and the directory itself
}

}  // namespace

void Counter::add(double amount) { series_->Increment(amount); }
double Counter::value() const { return series_->Value(); }
void Gauge::set(double value) { series_->Set(value); }
void Gauge::add(double amount) { series_->Increment(amount); }
double Gauge::value() const { return series_->Value(); }
void Histogram::observe(double value) { series_->Observe(value); }

Counter make_counter(const char* name, const char* help, const Labels& labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(registry());
  return Counter(&family.Add(to_map(labels)));
}

Gauge make_gauge(const char* name, const char* help, const Labels& labels) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(registry());
  return Gauge(&family.Add(to_map(labels)));
}

Histogram make_histogram(const char* name, const char* help, std::vector<double> bounds,
                         const Labels& labels) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(registry());
  return Histogram(&family.Add(
      to_map(labels), prometheus::Histogram::BucketBoundaries(bounds.begin(), bounds.end())));
}

std::vector<double> latency_bounds() {
  return {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}

std::string metrics_text() {
  static Gauge memory = make_gauge("process_resident_memory_bytes", "Resident memory.");
  static Gauge files = make_gauge("process_open_fds", "Open file descriptors.");
  memory.set(resident_bytes());
  files.set(open_files());
  return prometheus::TextSerializer().Serialize(registry().Collect());
}

}  // namespace wab
