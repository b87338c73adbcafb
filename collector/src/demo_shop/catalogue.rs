//! The articles of the demo shop and what an order of them comes to. The page shows the same file; a
//! price that it sends back is never looked at.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub(super) const CATALOGUE: &str = include_str!("../../../www/shop/catalogue.json");

/// Of one article in one order.
const MAX_QUANTITY: u32 = 99;
const MAX_ORDER_ID: usize = 64;

#[derive(Deserialize)]
pub(super) struct Catalogue {
    currency: String,
    articles: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    id: String,
    name: String,
    /// The price in hundredths: every currency of the file has them.
    cents: u64,
}

/// An order as the page sends it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShopOrder {
    order_id: String,
    email: String,
    items: Vec<Ordered>,
}

#[derive(Deserialize)]
struct Ordered {
    id: String,
    quantity: u32,
}

/// The body of a purchase.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShopPurchase<'a> {
    order_id: &'a str,
    email: &'a str,
    revenue: Box<RawValue>,
    currency: &'a str,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    name: &'a str,
    price: Box<RawValue>,
    quantity: u32,
}

impl Catalogue {
    pub(super) fn read() -> Result<Self, serde_json::Error> {
        serde_json::from_str(CATALOGUE)
    }

    /// What the collector is told of an order. The error is a sentence for the buyer.
    pub(super) fn purchase<'a>(&'a self, order: &'a ShopOrder) -> Result<ShopPurchase<'a>, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=MAX_ORDER_ID).contains(&order.order_id.len()) || !order.order_id.bytes().all(plain)
        {
            return Err("This is no order id of this shop.".to_owned());
        }
        if order.items.is_empty() {
            return Err("There is nothing in this order.".to_owned());
        }
        let mut revenue = 0;
        let mut items: Vec<Item<'_>> = Vec::new();
        for ordered in &order.items {
            let mut articles = self.articles.iter();
            let article = articles
                .find(|article| article.id == ordered.id)
                .ok_or("An article of this order is not in the catalogue.")?;
            if !(1..=MAX_QUANTITY).contains(&ordered.quantity) {
                return Err(format!("Of each article, order 1 to {MAX_QUANTITY}."));
            }
            // Each article once: an order has no more lines than the catalogue.
            if items.iter().any(|item| item.id == article.id) {
                return Err("An article stands in this order twice.".to_owned());
            }
            revenue += article.cents * u64::from(ordered.quantity);
            items.push(Item {
                id: &article.id,
                name: &article.name,
                price: amount(article.cents),
                quantity: ordered.quantity,
            });
        }
        Ok(ShopPurchase {
            order_id: &order.order_id,
            email: &order.email,
            revenue: amount(revenue),
            currency: &self.currency,
            items,
        })
    }
}

/// A JSON number with exact decimals: no float comes near money.
fn amount(cents: u64) -> Box<RawValue> {
    let mut text = (cents / 100).to_string();
    let rest = cents % 100;
    // Writing into a string does not fail.
    write!(text, ".{rest:02}").ok();
    // Digits and a point: that is a number in JSON.
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(order: &str) -> Result<String, String> {
        let catalogue = Catalogue::read().unwrap();
        let order: ShopOrder = serde_json::from_str(order).unwrap();
        let purchase = catalogue.purchase(&order)?;
        Ok(serde_json::to_string(&purchase).unwrap())
    }

    #[test]
    fn an_order_costs_what_the_catalogue_says_to_the_cent() {
        let order = r#"{"orderId":"order_1","email":"ada@example.com","revenue":0.01,"items":[
            {"id":"teapot","quantity":3,"price":0.01},{"id":"ink","quantity":1}]}"#;
        let told = told(order).unwrap();
        // 3 × 59.99 + 11.95
        assert!(
            told.contains(r#""revenue":191.92,"currency":"EUR""#),
            "{told}"
        );
        assert!(
            told.contains(r#"{"id":"teapot","name":"Harbour teapot","price":59.99,"quantity":3}"#),
            "{told}"
        );
    }

    #[test]
    fn orders_that_the_shop_cannot_have_taken_are_refused() {
        for (id, items) in [
            ("order_1", "[]"),
            ("order_1", r#"[{"id":"yacht","quantity":1}]"#),
            ("order_1", r#"[{"id":"mug","quantity":0}]"#),
            ("order_1", r#"[{"id":"mug","quantity":100}]"#),
            (
                "order_1",
                r#"[{"id":"mug","quantity":1},{"id":"mug","quantity":1}]"#,
            ),
            ("", r#"[{"id":"mug","quantity":1}]"#),
            ("<order>", r#"[{"id":"mug","quantity":1}]"#),
        ] {
            let order = format!(r#"{{"orderId":"{id}","email":"a@b.example","items":{items}}}"#);
            assert!(told(&order).is_err(), "{order}");
        }
    }
}
