//! Custom operations for candle: forward, gradient and slow twin of each in one file.
