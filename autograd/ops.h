// Every public op, for those who use many: one header per family, with formula and shapes. The
// derivation of each gradient is in ops/<family>/<op>.cpp. Files of ops include their own family.
//
// Shapes: B batch, n sequence, D channels.
#pragma once

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/classify.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/matrix.h"
#include "autograd/ops/norm.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/sequence.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/ski.h"
#include "autograd/ops/spectral.h"
