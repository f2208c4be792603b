#include "examples/train/profile_table.h"

#include <cstdio>

namespace skiff {

namespace {

double share_of(const Profile::Row& row, const Profile& profile) {
  return profile.seconds() > 0 ? row.seconds / profile.seconds() : 0;
}

}  // namespace

std::string profile_table(const Profile& profile) {
  const double steps = double(profile.steps());
  std::string text;
  const auto line = [&](const char* name, const char* phase, double seconds, double share,
                        double calls, double bytes) {
    char row[160];
    std::snprintf(row, sizeof row, "%-20s %-9s %12.3f %8.1f %% %10.1f %12.2f\n", name, phase,
                  1e3 * seconds / steps, 100 * share, calls / steps, bytes / steps / 1e6);
    text += row;
  };
  char head[160];
  std::snprintf(head, sizeof head, "%-20s %-9s %12s %10s %10s %12s\n", "per step, on average", "",
                "ms", "share", "calls", "MB made");
  text += head;
  if (profile.steps() == 0) return text;
  double calls = 0, bytes = 0;
  for (const Profile::Row& r : profile.rows()) {
    line(r.name.c_str(), name_of(r.phase), r.seconds, share_of(r, profile), double(r.calls),
         double(r.bytes));
    bytes += double(r.bytes);
    if (r.phase != Profile::Phase::Other) calls += double(r.calls);
  }
  line("all", "", profile.seconds(), 1, calls, bytes);
  return text;
}

std::string profile_csv(const Profile& profile) {
  std::string text = "name,phase,steps,calls,seconds,share,bytes\n";
  for (const Profile::Row& r : profile.rows()) {
    char row[200];
    std::snprintf(row, sizeof row, "%s,%s,%lld,%lld,%.9f,%.6f,%lld\n", r.name.c_str(),
                  name_of(r.phase), (long long)profile.steps(), (long long)r.calls, r.seconds,
                  share_of(r, profile), (long long)r.bytes);
    text += row;
  }
  return text;
}

}  // namespace skiff
