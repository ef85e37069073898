// Counters, gauges and histograms, exported as Prometheus text.
//
// Make a handle once (a member, a static) and use it from any thread; the same name and labels give
// the same series. Labels come from small fixed sets: a status, a verdict, a pool's name; never an
// organization, session or address.
//
//   static Counter attempts = make_counter("waslo_webhook_attempts_total", "Attempts by verdict.",
//                                          {{"verdict", "done"}});
//   attempts.add();
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace wab {

using Labels = std::vector<std::pair<const char*, const char*>>;

class Counter {
 public:
  explicit Counter(prometheus::Counter* series) : series_(series) {}
  void add(double amount = 1);
  double value() const;

 private:
  prometheus::Counter* series_;
};

class Gauge {
 public:
  explicit Gauge(prometheus::Gauge* series) : series_(series) {}
  void set(double value);
  void add(double amount = 1);
  void sub(double amount = 1) { add(-amount); }
  double value() const;

 private:
  prometheus::Gauge* series_;
};

class Histogram {
 public:
  explicit Histogram(prometheus::Histogram* series) : series_(series) {}
  void observe(double value);

 private:
  prometheus::Histogram* series_;
};

Counter make_counter(const char* name, const char* help, const Labels& labels = {});
Gauge make_gauge(const char* name, const char* help, const Labels& labels = {});
// `bounds` are the upper ends of the buckets, ascending.
Histogram make_histogram(const char* name, const char* help, std::vector<double> bounds,
                         const Labels& labels = {});
// 0.5 ms to 10 s.
std::vector<double> latency_bounds();

// Everything, with the process's resident memory and open files read now.
std::string metrics_text();

}  // namespace wab
