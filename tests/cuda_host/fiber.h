// Fibers: stacks that one host thread switches between.
#pragma once

#include <cstddef>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace cuda_host {

struct Fiber {
#if defined(__x86_64__)
  void* stack_pointer = nullptr;
#else
  ucontext_t context;
#endif
  void* memory = nullptr;  // nullptr: the stack the host thread came with
  // For the address sanitizer, which has to know every stack.
  const void* bottom = nullptr;
  size_t size = 0;
  void* fake_stack = nullptr;
};

void make_fiber(Fiber& fiber, void (*entry)());  // entry never returns
void enter_fiber(Fiber& host);                   // the first thing entry calls
void switch_fiber(Fiber& from, Fiber& to);

}  // namespace cuda_host
