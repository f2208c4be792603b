#include "tests/cuda_host/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_host {

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kStack = 256 << 10;
#else
constexpr size_t kStack = 64 << 10;
#endif
constexpr size_t kGuard = 4096;

#if defined(__x86_64__)
// Saves what a function must keep on its stack, changes stacks, takes it back.
extern "C" void cuda_host_switch(void** from, void* to);
asm(R"(
  .text
  .globl cuda_host_switch
  .type cuda_host_switch, @function
cuda_host_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size cuda_host_switch, .-cuda_host_switch
)");
#endif

void make_fiber(Fiber& fiber, void (*entry)()) {
  if (!fiber.memory) {
    fiber.memory = mmap(nullptr, kStack + kGuard, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fiber.memory == MAP_FAILED) std::abort();
    mprotect(fiber.memory, kGuard, PROT_NONE);
  }
  char* const bottom = static_cast<char*>(fiber.memory) + kGuard;
  fiber.bottom = bottom;
  fiber.size = kStack;
  fiber.fake_stack = nullptr;
#if defined(__x86_64__)
  void** top = reinterpret_cast<void**>(bottom + kStack);
  *--top = nullptr;  // the return address of entry, at an odd multiple of 8 as after a call
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  fiber.stack_pointer = top;
#else
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = bottom;
  fiber.context.uc_stack.ss_size = kStack;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
#endif
}

void enter_fiber([[maybe_unused]] Fiber& host) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &host.bottom, &host.size);
#endif
}

void switch_fiber(Fiber& from, Fiber& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.fake_stack, to.bottom, to.size);
#endif
#if defined(__x86_64__)
  cuda_host_switch(&from.stack_pointer, to.stack_pointer);
#else
  swapcontext(&from.context, &to.context);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

}  // namespace cuda_host
