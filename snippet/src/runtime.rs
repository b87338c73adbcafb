//! What a wasm module without the standard library must bring itself: memory, and an end for panics.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::unreachable;

use lol_alloc::{AssumeSingleThreaded, FreeListAllocator};

struct Memory(AssumeSingleThreaded<FreeListAllocator>);

// SAFETY: passes on to an allocator, and to nothing where that has no memory.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the promises of the same method.
        let memory = unsafe { self.0.alloc(layout) };
        // Never null, which the compiler then sees: the message about it would cost 2 KB.
        if memory.is_null() {
            unreachable()
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { self.0.dealloc(memory, layout) }
    }
}

// SAFETY: a page's wasm without shared memory runs on one thread.
#[global_allocator]
static ALLOCATOR: Memory = Memory(unsafe { AssumeSingleThreaded::new(FreeListAllocator::new()) });

/// A trap: JavaScript sees a `RuntimeError`. A message would bring `core::fmt` with it.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unreachable()
}
