//! Words into the lanes of a vector, and out of them.

use std::arch::x86_64::{
    __m512i, _mm_cvtsi128_si64, _mm_extract_epi64, _mm512_extracti64x2_epi64, _mm512_set_epi64,
    _mm512_set1_epi64,
};

/// A word in all lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn each(word: u64) -> __m512i {
    _mm512_set1_epi64(word.cast_signed())
}

/// A word for each lane.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn from_lanes(lanes: [u64; 8]) -> __m512i {
    let [a, b, c, d, e, f, g, h] = lanes;
    _mm512_set_epi64(
        h.cast_signed(),
        g.cast_signed(),
        f.cast_signed(),
        e.cast_signed(),
        d.cast_signed(),
        c.cast_signed(),
        b.cast_signed(),
        a.cast_signed(),
    )
}

/// The word of each lane.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn to_lanes(vector: __m512i) -> [u64; 8] {
    let ab = _mm512_extracti64x2_epi64::<0>(vector);
    let cd = _mm512_extracti64x2_epi64::<1>(vector);
    let ef = _mm512_extracti64x2_epi64::<2>(vector);
    let gh = _mm512_extracti64x2_epi64::<3>(vector);
    [
        _mm_cvtsi128_si64(ab).cast_unsigned(),
        _mm_extract_epi64::<1>(ab).cast_unsigned(),
        _mm_cvtsi128_si64(cd).cast_unsigned(),
        _mm_extract_epi64::<1>(cd).cast_unsigned(),
        _mm_cvtsi128_si64(ef).cast_unsigned(),
        _mm_extract_epi64::<1>(ef).cast_unsigned(),
        _mm_cvtsi128_si64(gh).cast_unsigned(),
        _mm_extract_epi64::<1>(gh).cast_unsigned(),
    ]
}
