//! The models by which orders are credited to messages, and a value for each of them. Pure; whom an order is
//! credited to is decided by the views.

use std::ops::Index;

use serde::{Deserialize, Serialize};

/// How it is decided which message an order is credited to. New ones come last: what is on disk names one by
/// its place.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Model {
    /// The messageId that came with the order, else the last genuine click within the window, else
    /// the last genuine open within the window.
    #[default]
    LastTouch,
    /// The messageId that came with the order, else the last genuine click within the window.
    LastClick,
    /// The messageId that came with the order alone.
    Explicit,
}

impl Model {
    /// Each order is credited under all of them, so that they can be laid side by side.
    pub const ALL: [Self; 3] = [Self::LastTouch, Self::LastClick, Self::Explicit];

    /// The spelling in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LastTouch => "last_touch",
            Self::LastClick => "last_click",
            Self::Explicit => "explicit",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.as_str() == text)
    }
}

/// A value for each model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PerModel<T> {
    pub last_touch: T,
    pub last_click: T,
    pub explicit: T,
}

impl<T> PerModel<T> {
    /// In the order of [`Model::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Model, &T)> {
        Model::ALL.into_iter().map(|model| (model, &self[model]))
    }

    /// The same with every value put through `change`.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> PerModel<U> {
        PerModel {
            last_touch: change(self.last_touch),
            last_click: change(self.last_click),
            explicit: change(self.explicit),
        }
    }
}

impl<T> Index<Model> for PerModel<T> {
    type Output = T;

    fn index(&self, model: Model) -> &T {
        match model {
            Model::LastTouch => &self.last_touch,
            Model::LastClick => &self.last_click,
            Model::Explicit => &self.explicit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_its_spelling_its_value_and_its_place_on_disk() {
        let values = PerModel {
            last_touch: 5_u8,
            last_click: 6,
            explicit: 7,
        };
        let spelled = ["last_touch", "last_click", "explicit"];
        for ((place, spelling), (model, value)) in (0_u8..).zip(spelled).zip(values.iter()) {
            assert_eq!((model.as_str(), *value), (spelling, 5 + place));
            assert_eq!(Model::parse(spelling), Some(model));
            // As versions wrote it that numbered them.
            assert_eq!(postcard::to_stdvec(&model).unwrap(), [place]);
        }
        assert_eq!(Model::parse("first_touch"), None);
        assert_eq!(Model::default(), Model::LastTouch);
        assert_eq!(postcard::to_stdvec(&values).unwrap(), [5, 6, 7]);
        let doubled = values.map(|value| value * 2);
        assert_eq!(doubled[Model::LastClick], 12);
    }
}
