// The whole library in one include. Installed, it is <skiff/skiff.h>, and the headers it includes
// are the public ones: the others belong to the implementation and are not installed.
#pragma once

#if __cplusplus < 202002L
#error "skiff needs C++20: compile with -std=c++20"
#endif

#include "autograd/gradcheck.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "autograd/profile.h"
#include "autograd/recompute.h"
#include "autograd/tape.h"
#include "core/io/safetensors.h"
#include "core/math.h"
#include "core/memory.h"
#include "core/options.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/tensor.h"
#include "core/version.h"
#include "data/batch.h"
#include "data/task.h"
#include "layers/tnn.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "optim/schedule.h"
