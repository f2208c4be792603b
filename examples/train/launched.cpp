#include "examples/train/launched.h"

#include <fcntl.h>
#include <omp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "core/processes.h"
#include "examples/train/agreement.h"

namespace skiff {

namespace {

namespace fs = std::filesystem;

constexpr const char* kOwnFolder = "skiff-process-";

// The open folder, locked; -1 where another process has the lock. The lock is on the folder
// itself, so that no moment passes in which the folder is there and the file to lock is not.
int lock_folder(const fs::path& folder) {
  const int lock = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (lock < 0 || ::flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
  ::close(lock);
  return -1;
}

// Removes the folders of processes that were killed: those whose lock is free. The minute leaves
// time between making a folder and locking it.
void remove_left_over() {
  std::error_code ignored;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(fs::temp_directory_path(), ignored)) {
    if (!entry.path().filename().string().starts_with(kOwnFolder)) continue;
    const auto age = fs::file_time_type::clock::now() - entry.last_write_time(ignored);
    if (ignored || age < std::chrono::minutes(1)) continue;
    const int lock = lock_folder(entry.path());
    if (lock < 0) continue;
    fs::remove_all(entry.path(), ignored);
    ::close(lock);
  }
}

// What a run may be resumed from; not its lock, and no half-written file.
bool belongs_to_run(const fs::path& file) {
  const std::string end = file.extension().string();
  return end == ".toml" || end == ".csv" || end == ".json" || end == ".safetensors";
}

// Copies the files of process 0 into the folder of each other process.
void copy_files(const std::string& from, const std::string& to) {
  Processes& all = processes();
  std::vector<fs::path> files;
  std::error_code error;
  if (all.rank() == 0)
    for (const fs::directory_entry& entry : fs::directory_iterator(from, error))
      if (entry.is_regular_file() && belongs_to_run(entry.path())) files.push_back(entry.path());
  std::string count = std::to_string(files.size());
  broadcast(all, count);
  for (size_t i = 0; i < size_t(std::stoll(count)); ++i) {
    std::string name, bytes;
    if (all.rank() == 0) {
      std::ifstream in(files[i], std::ios::binary);
      name = files[i].filename().string();
      bytes.assign(std::istreambuf_iterator<char>(in), {});
      check<IoError>(in.good() || in.eof(), "cannot read '", files[i].string(), "'");
    }
    broadcast(all, name);
    broadcast(all, bytes);
    if (all.rank() == 0) continue;
    std::ofstream out(to + "/" + name, std::ios::binary);
    out << bytes;
    out.close();
    check<IoError>(out.good(), "cannot write '", to, "/", name, "'");
  }
}

int64_t processes_here() {
  const std::vector<std::string>& hosts = processes().hosts();
  return std::count(hosts.begin(), hosts.end(), hosts[size_t(processes().rank())]);
}

// OMP_NUM_THREADS, or else the cores that the processes of this host may use together, divided by
// their number. A launcher may pass the variable to some hosts only, so all processes tell their
// cores.
int64_t threads_of_process() {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  ::sched_getaffinity(0, sizeof mine, &mine);
  Processes& all = processes();
  const std::vector<std::string> masks =
      gather(all, {reinterpret_cast<const char*>(&mine), sizeof mine});
  if (std::getenv("OMP_NUM_THREADS")) return 0;
  for (int p = 0; p < all.size(); ++p) {
    if (all.hosts()[size_t(p)] != all.hosts()[size_t(all.rank())]) continue;
    cpu_set_t other;
    masks[size_t(p)].copy(reinterpret_cast<char*>(&other), sizeof other);
    CPU_OR(&mine, &mine, &other);
  }
  return std::max<int64_t>(1, CPU_COUNT(&mine) / processes_here());
}

// How the run is spread, and whether the cores of this host are used.
void describe(int64_t threads) {
  const std::vector<std::string>& hosts = processes().hosts();
  const size_t count = std::set<std::string>(hosts.begin(), hosts.end()).size();
  const int64_t used = threads * processes_here(), cores = ::sysconf(_SC_NPROCESSORS_ONLN);
  std::fprintf(stderr, "%zu processes on %zu host%s, threads of each: %lld\n", hosts.size(), count,
               count == 1 ? "" : "s", (long long)threads);
  if (2 * used < cores || used > cores)
    std::fprintf(stderr,
                 "note: the processes of this host have %lld threads for %lld cores; mpirun binds "
                 "two processes to one core each without --bind-to none\n",
                 (long long)used, (long long)cores);
}

}  // namespace

Launched::Launched(RunOptions& run, SessionOptions& session, const std::string& options) {
  Processes& all = processes();
  if (all.size() == 1) return;
  all.set_timeout(double(session.timeout));
  check_same_start(options);
  const int64_t own_share = threads_of_process();  // every process asks the others
  if (session.threads == 0) session.threads = own_share;
  if (all.rank() > 0) {
    remove_left_over();
    own_folder_.emplace();
  }
  if (session.resume) copy_files(run.out, own_folder_ ? own_folder_->path() : "");
  if (all.rank() == 0) {
    if (!session.quiet) describe(session.threads > 0 ? session.threads : omp_get_max_threads());
    return;
  }
  run.out = own_folder_->path();
  session.quiet = true;
  session.force = false;
}

Launched::OwnFolder::OwnFolder()
    : path_(fs::temp_directory_path() / (kOwnFolder + std::string("XXXXXX"))) {
  check<IoError>(::mkdtemp(path_.data()) != nullptr, "cannot create '", path_, "'");
  lock_ = lock_folder(path_);
}

Launched::OwnFolder::~OwnFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace skiff
